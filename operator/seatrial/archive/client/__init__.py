"""How the operator and the command reach the archive."""
