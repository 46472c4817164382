"""``ml-assets demo``: a whole graph in one process, shown line by line and summed up."""
