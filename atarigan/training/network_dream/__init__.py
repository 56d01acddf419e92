"""Trains the networks of a dream."""
