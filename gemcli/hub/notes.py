"""What the hub does quietly (a silent source, a connection resumed), for those who ask with -v."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def notes_to(say: Callable[[str], None] | None) -> Iterator[None]:
    """Hand the hub's notes to `say`, one line each, within the block; None: to nobody."""
    if say is None:
        yield
        return
    log = logging.getLogger("gemcli.hub")
    handler = _Handler(say)
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())
