"""What a stream can show: plain text, styles, or a live region as well."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from gemcli.ui.streams import Stream

_FALLBACK = (80, 24)


@dataclass(frozen=True, slots=True)
class Ability:
    """What may be written to a stream.

    Attributes:
        live: the cursor may be moved; what was written can be replaced.
        styled: bold, italic and the like.
        coloured: colours.
    """

    live: bool
    styled: bool
    coloured: bool


PLAIN = Ability(live=False, styled=False, coloured=False)


def ability(stream: Stream) -> Ability:
    """What `stream` can show, by its kind and by ``TERM``, ``NO_COLOR`` and ``FORCE_COLOR``.

    ``NO_COLOR`` (no-color.org) takes colours away and leaves bold and italic; it wins over ``FORCE_COLOR``,
    which asks for styles in a pipe too.  ``TERM=dumb`` can do nothing.
    """
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return PLAIN
    forced = os.environ.get("FORCE_COLOR", "").lower() not in ("", "0", "false")
    coloured = not os.environ.get("NO_COLOR")
    if stream.is_terminal:
        if os.name == "nt":
            os.system("")  # makes the console understand escape sequences
        return Ability(live=True, styled=True, coloured=coloured)
    return Ability(live=False, styled=True, coloured=coloured) if forced else PLAIN


def size(stream: Stream) -> tuple[int, int]:
    """(columns, rows) of the terminal behind `stream` now; elsewhere ``COLUMNS`` and ``LINES`` or 80 × 24."""
    columns = rows = 0
    descriptor = stream.fileno()
    if descriptor is not None:
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(descriptor)
    return columns or _number("COLUMNS") or _FALLBACK[0], rows or _number("LINES") or _FALLBACK[1]


def in_foreground(stream: Stream) -> bool:
    """False for a job in the background of its terminal, which should not draw over another's screen."""
    descriptor = stream.fileno()
    if descriptor is None or not hasattr(os, "tcgetpgrp"):
        return True
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return True


def _number(variable: str) -> int:
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else 0
