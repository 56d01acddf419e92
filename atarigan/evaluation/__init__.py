"""Scores of generated samples against real ones, and of policies that play through a generator."""
