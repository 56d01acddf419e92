"""Run configurations, recipes, and registries of named entries."""
