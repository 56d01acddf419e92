"""States of a game, such as RAM: encoded as features, written as codes, and drawn from a prior."""
