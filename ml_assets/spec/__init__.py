"""What a user declares about a model."""
