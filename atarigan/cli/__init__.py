"""Parts that all commands share: flags, progress, Ctrl-C, tables."""
