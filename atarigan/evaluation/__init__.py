"""How good samples are, compared with real ones."""
