"""Named complete configurations, one TOML file each."""
