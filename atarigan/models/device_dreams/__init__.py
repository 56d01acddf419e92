"""Dreams that are played with tensors, so that their states stay on a GPU."""
