"""Generators of states, such as RAM: how a state is encoded, searched, and drawn from a prior."""
