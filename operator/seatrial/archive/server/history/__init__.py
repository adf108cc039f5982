"""History of runs and tests in a database: SQLite on the volume, or PostgreSQL."""
