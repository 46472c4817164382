"""One step per asset: build it, measure it."""
