"""Secret values: which they are, in how many ways they are written, and `***` in their place. Knows nothing of runs."""
