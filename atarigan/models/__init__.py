"""Generators and critics: networks, states, checkpoints, and what is made of them."""
