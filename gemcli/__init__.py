"""gemcli: ask anything about any files, with a local model."""

__version__ = "0.1.0"
