"""Whoever else writes to stderr, or asks there, has the printer of the answer step aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

_open: list[Callable[[], AbstractContextManager[None]]] = []


@contextmanager
def stepping_aside(aside: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """While this lasts, `aside` is entered around everything that others write."""
    _open.append(aside)
    try:
        yield
    finally:
        _open.remove(aside)


@contextmanager
def free_line() -> Iterator[None]:
    """The cursor's line is free and stays so: nothing is drawn until this ends."""
    if not _open:
        yield
        return
    with _open[-1]():
        yield
