"""The model that says how many dollars a workspace will cost today."""
