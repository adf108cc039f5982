"""Secret values: which they are, which forms they take, and `***` in their place. Knows nothing of runs."""
