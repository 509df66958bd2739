"""Networks by name, for checkpoints that hold weights alone: one file a data set, its table of names at the end."""
