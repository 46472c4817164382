"""``ml-assets new``: a first declaration of a model, guessed from the rows of a table."""
