"""Real samples: buffers of frames, how they are collected, and sources to learn from."""
