"""``ml-assets doctor``: looks at everything that has to be right before anything can run."""
