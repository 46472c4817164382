"""The model that points at workspaces which are used in another way than usual."""
