"""Models that watch what a Databricks account costs."""
