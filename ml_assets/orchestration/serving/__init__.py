"""The command line of the registry: who serves, who did, and changing it."""
