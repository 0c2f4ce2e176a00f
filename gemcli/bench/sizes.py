"""Numbers as the command line takes them: ``4K,8K,31K``, ``0.1,0.5``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import typer

_UNITS = {"": 1, "k": 1024, "m": 1024**2}
_SHORTEST = 4096


def sizes(value: str | None) -> str | None:
    """A check that a value is a list of sizes."""
    return _checked(value, read_sizes)


def shares(value: str | None) -> str | None:
    """A check that a value is a list of numbers from 0 to 1."""
    return _checked(value, read_shares)


def size(value: str | None) -> str | None:
    """A check that a value is one size."""
    return _checked(value, read_size)


def read_size(text: str) -> int:
    """Tokens: ``512``, ``4K`` (4,096), ``1M`` (1,048,576).

    Raises:
        ValueError: it is no such number.
    """
    found = re.fullmatch(r"(\d{1,9})([km]?)", text.strip(), re.IGNORECASE)
    if not found or not int(found[1]):
        raise ValueError(f"{text.strip()!r} is no number of tokens, like 4096 or 4K")
    return int(found[1]) * _UNITS[found[2].lower()]


def read_sizes(text: str) -> list[int]:
    """Several of them, rising, each once.

    Raises:
        ValueError: one is no such number.
    """
    return sorted({read_size(each) for each in text.split(",")})


def read_shares(text: str) -> list[float]:
    """Numbers from 0 to 1, rising, each once.

    Raises:
        ValueError: one is no such number.
    """
    found = set()
    for each in text.split(","):
        try:
            number = float(each)
        except ValueError:
            number = math.nan
        if not 0 <= number <= 1:
            raise ValueError(f"{each.strip()!r} is no number from 0 to 1")
        found.add(number)
    return sorted(found)


def size_name(tokens: int) -> str:
    """A size as it may be given: ``4K``, ``1M``, ``1,000``."""
    for unit in ("m", "k"):
        if tokens % _UNITS[unit] == 0:
            return f"{tokens // _UNITS[unit]:,}{unit.upper()}"
    return f"{tokens:,}"


def usual_sizes(window: int, room: int) -> list[int]:
    """Lengths worth measuring in a window that leaves so much room: powers of two from 4K, and the most."""
    most = window - room
    found = []
    length = _SHORTEST
    while length <= most:
        found.append(length)
        length *= 2
    most = most // 1024 * 1024 or most
    if not found or most >= 1.5 * found[-1]:
        found.append(most)
    return found


def _checked(value: str | None, read: Callable[[str], int | Sequence[float]]) -> str | None:
    if value is not None:
        try:
            read(value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    return value
