"""Times as a person writes them (``90``, ``10:00``, ``1:02:03.5``, ``10m``, ``1h2m3s``) and as seconds."""

from __future__ import annotations

import re

_CLOCK = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,7}(?:\.\d+)?)")
_UNITS = re.compile(r"(?:(\d{1,6}(?:\.\d+)?)h)?(?:(\d{1,6}(?:\.\d+)?)m(?:in)?)?(?:(\d{1,7}(?:\.\d+)?)s)?")


def seconds(text: str) -> float:
    """The seconds that `text` means.

    Raises:
        ValueError: it is no time; the message says how one is written.
    """
    text = text.strip().lower()
    match = _CLOCK.fullmatch(text) or (_UNITS.fullmatch(text) if text else None)
    if match is None:
        raise ValueError(f"{text!r} is no time: write seconds (90), minutes (10:00), hours (1:02:03) or 10m")
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest


def clock(time: float) -> str:
    """Seconds as ``00:10:05``; fractions are dropped."""
    whole = max(0, int(time))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
