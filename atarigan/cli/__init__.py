"""What every command shares: flags, progress, Ctrl-C, tables."""
