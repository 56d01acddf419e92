"""Collection: environments, policies and processes that fill a buffer."""
