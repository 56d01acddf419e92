"""What a moment of a game is: RAM, encoded, grouped, and drawn from a prior."""
