"""The declared models."""
