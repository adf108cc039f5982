"""What the archive's server and its clients agree on. Pure."""
