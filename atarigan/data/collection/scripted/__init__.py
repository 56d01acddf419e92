"""Scripted players, which read the state of a game, and teachers for policies on pixels."""
