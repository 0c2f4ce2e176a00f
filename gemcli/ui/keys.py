"""What is typed while something is drawn: it is not shown in between, and waits for whoever reads next.

A typed character that the terminal echoes lands in the region that is redrawn, and a typed Enter moves it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_held: list[tuple[int, list[Any]]] = []
"""Terminals whose settings were changed, with those that they had."""


@contextmanager
def unread(*, echo_only: bool = False) -> Iterator[None]:
    """While this lasts, keys but those of signals are kept as they are for the next reader, unseen.

    Nothing changes where stdin or stdout is no terminal, which then may be another program's too.

    Args:
        echo_only: lines stay lines, for a reader that takes whole ones.
    """
    terminal = _terminal()
    if terminal is None:
        yield
        return
    import termios

    before = termios.tcgetattr(terminal)
    now = [*before[:6], list(before[6])]
    now[3] &= ~termios.ECHO
    if not echo_only:
        now[0] &= ~termios.ICRNL
        now[3] &= ~termios.ICANON
        now[6][termios.VMIN], now[6][termios.VTIME] = 1, 0
    _held.append((terminal, before))
    try:
        termios.tcsetattr(terminal, termios.TCSANOW, now)
        yield
    finally:
        _held.pop()
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSANOW, before)


@contextmanager
def readable() -> Iterator[None]:
    """While this lasts, what is typed is read and shown as it was before."""
    if not _held:
        yield
        return
    import termios

    terminal, before = _held[0]
    now = termios.tcgetattr(terminal)
    termios.tcsetattr(terminal, termios.TCSANOW, before)
    try:
        yield
    finally:
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSANOW, now)


def restore() -> None:
    """Leave the terminal as it was found, for an end that runs nothing else."""
    if _held:
        import termios

        terminal, before = _held[0]
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSANOW, before)


def _terminal() -> int | None:
    """The terminal that is typed on and drawn on, where it is ours to change."""
    try:
        import termios  # noqa: F401 - other systems have none
    except ImportError:
        return None
    try:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return None
        descriptor = sys.stdin.fileno()
        return descriptor if os.tcgetpgrp(descriptor) == os.getpgrp() else None
    except (AttributeError, OSError, ValueError):
        return None
