"""How old something may be, as a person writes it: ``12h``, ``30d``, ``2w``, or a date."""

from __future__ import annotations

import datetime
import re

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([mhdw])")


def moment(text: str, now: float) -> float:
    """The point in time, in seconds since 1970, that lies so long before `now`, or at which a day begins.

    Args:
        text: a number of minutes, hours, days or weeks (``90m``, ``12h``, ``30d``, ``2w``), or a local date
            (``2026-01-31``).
        now: seconds since 1970.

    Raises:
        ValueError: it is neither; the message says what it may be.
    """
    word = text.strip().lower()
    if found := _AGE.fullmatch(word):
        return now - float(found[1]) * _UNITS[found[2]]
    try:
        return datetime.datetime.fromisoformat(word).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text!r} is no age like 90m, 12h, 30d or 2w, and no date like 2026-01-31"
        ) from None
