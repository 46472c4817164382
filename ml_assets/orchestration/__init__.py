"""Dagster lives here, and nowhere else."""
