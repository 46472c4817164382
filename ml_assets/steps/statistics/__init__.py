"""What is computed of arrays: no Spark, no platform, no files."""
