"""Training of dreams: models of a game's dynamics, corrected by its emulator."""
