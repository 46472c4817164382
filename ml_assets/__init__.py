"""Declare an ML model once; get a Dagster asset graph in which the golden rules are enforced."""
