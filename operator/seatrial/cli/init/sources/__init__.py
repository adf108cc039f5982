"""What the other files of a project say: Dockerfiles, pytest's and Alembic's configuration, test code, scripts."""
