"""A command's events on their way to the screen."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing, suppress

from gemcli.events import Event, Note, Warning


def follow(events: Generator[Event], show: Callable[[Event], None]) -> None:
    """Show every event; an interrupt is passed on to the work, and its last events are shown too."""
    with closing(events):
        try:
            for event in events:
                show(event)
        except KeyboardInterrupt as interrupt:
            with suppress(StopIteration, KeyboardInterrupt):
                event = events.throw(interrupt)
                while True:
                    show(event)
                    event = next(events)
            raise


def warn(event: Event) -> None:
    """Show a note or a warning that comes before the ui is open."""
    from gemcli.ui import say, show_warning

    if isinstance(event, Note):
        say(event.message)
    elif isinstance(event, Warning):
        show_warning(event.message)
