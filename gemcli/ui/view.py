"""What every way of showing an answer has in common."""

from __future__ import annotations

from typing import Protocol

from gemcli.events import Event


class View(Protocol):
    """Shows the events of one answer on stdout.

    Attributes:
        shows_thoughts: whether thoughts are among them; otherwise they belong on stderr.
    """

    @property
    def shows_thoughts(self) -> bool: ...

    def show(self, event: Event) -> None:
        """Take an event.  Progress, warnings and errors have been shown on stderr where they belong."""
        ...

    def paint(self) -> None:
        """Draw what `show` took note of; called often, from the painter's thread."""
        ...

    def prepare(self) -> None:
        """Load what painting needs, before it is needed."""
        ...

    def step_aside(self) -> str:
        """Make the cursor's line free for a line on stderr; what that line must begin with."""
        ...

    def close(self, failure: BaseException | None) -> None:
        """Nothing more comes; `failure` is what ended the answer early."""
        ...
