"""Flight operations: models on the flights that left New York in 2013."""
