"""Nouns in messages: one or many of them, as their number says."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 row``, ``1,200 rows``.

    Args:
        count: the number.
        one: the noun for one.
        many: the noun for any other number; "" where it is `one` with an s.
    """
    return f"{count:,} {plural(count, one, many)}"


def plural(count: int, one: str, many: str = "") -> str:
    """The noun alone, for as many; the arguments are those of `counted`."""
    return one if count == 1 else many or one + "s"
