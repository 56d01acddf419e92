"""How exact networks predict an environment."""
