"""Sizes as people write them."""

from __future__ import annotations


def size_text(size: int) -> str:
    """Bytes as ``98.4 MB`` or ``1.12 GB``: decimal units, as disks and networks are sold."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
