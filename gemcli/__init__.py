"""gemcli: ask anything about any files, with a local model."""
