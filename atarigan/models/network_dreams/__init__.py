"""Dreams of environments whose state is a vector of numbers, learned by networks."""
