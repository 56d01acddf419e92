"""What can be chosen: run configurations, recipes, and entries by name."""
