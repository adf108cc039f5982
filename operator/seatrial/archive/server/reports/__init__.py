"""Reports of a run: merged JUnit XML and CTRF, a summary in Markdown, and the facts that the command shows."""
