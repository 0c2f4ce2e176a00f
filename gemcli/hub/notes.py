"""What the hub does quietly (a silent source, a connection resumed), for those who ask with -v."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def notes_to(say: Callable[[str], None] | None) -> Iterator[None]:
    """Hand the hub's notes to `say`, one line each, within the block; None: to nobody."""
    if say is None:
        yield
        return
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(record.getMessage())

    log = logging.getLogger("gemcli.hub")
    handler = Handler(logging.INFO)
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
