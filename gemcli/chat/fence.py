"""How a message of many lines is typed, whatever it is typed with."""

from __future__ import annotations

FENCE = '"""'
"""Begins and ends a message of many lines."""

PROMPT = "> "
MORE = "… "


def is_open(text: str) -> bool:
    """Whether a message of many lines was begun and not ended."""
    text = text.strip()
    return text.startswith(FENCE) and not (len(text) >= 2 * len(FENCE) and text.endswith(FENCE))


def unfenced(text: str) -> str:
    """What is meant: what stands between the fences, or the text as it is."""
    stripped = text.strip()
    if not stripped.startswith(FENCE):
        return text
    return stripped.removeprefix(FENCE).removesuffix(FENCE).strip("\n")
