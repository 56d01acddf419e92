"""Models of a console: from RAM and the inputs of one emulator frame to the next RAM."""
