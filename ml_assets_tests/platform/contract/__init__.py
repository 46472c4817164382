"""What the protocol promises, on every platform: embedded here, databricks in `make conformance`."""
