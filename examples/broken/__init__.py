"""Broken on purpose: one small data set and declaration for each rule, and what the rule says."""
