"""Facts of stored tables: counts, splits, leaks, drift."""
