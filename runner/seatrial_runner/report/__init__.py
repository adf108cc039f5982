"""Reports of the tests of one shard, or of a whole run: JUnit XML, CTRF, and the shard's summary."""
