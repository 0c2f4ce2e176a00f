"""Markdown that is shown while it is still being written."""
