"""Work for a Databricks workspace: one one-time job run, its reports, its end."""
