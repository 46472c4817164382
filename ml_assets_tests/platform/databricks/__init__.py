"""The databricks platform, as far as it can be tested without its client."""
