"""FrameBuffer: steps of environments on disk."""
