"""What happens right now, passed on to whoever listens."""
