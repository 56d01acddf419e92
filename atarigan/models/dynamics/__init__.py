"""Models of a console's next state: from RAM and the inputs of one emulator frame to the next RAM."""
