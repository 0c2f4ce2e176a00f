"""The answer as plain text: every token leaves at once, and nothing but the answer does."""

from __future__ import annotations

from gemcli.events import Error, Event, Result, Token
from gemcli.ui.indent import Indenter
from gemcli.ui.sanitize import Sanitizer
from gemcli.ui.streams import Out


class RawView:
    """For pipes, ``--raw`` and terminals that can show nothing else.

    Args:
        out: stdout.
        indent: the text is JSON, which gets a line for each member.
    """

    shows_thoughts = False

    def __init__(self, out: Out, *, indent: bool = False) -> None:
        self._out = out
        self._indenter = Indenter() if indent else None
        self._sanitizer = Sanitizer(terminal=out.is_terminal)
        self._last = "\n"

    def show(self, event: Event) -> None:
        """Write tokens; end the last line when the answer ends."""
        if isinstance(event, Token):
            text = self._sanitizer.push(event.text)
            self._write(self._indenter.push(text) if self._indenter else text)
        elif isinstance(event, Result | Error):
            self._finish()

    def paint(self) -> None:
        """Nothing: everything is written at once."""

    def prepare(self) -> None:
        """Nothing."""

    def step_aside(self) -> str:
        """On a terminal a line on stderr begins below the unfinished one of the answer."""
        return "\n" if self._out.is_terminal and self._last != "\n" else ""

    def close(self, failure: BaseException | None) -> None:
        """End the last line."""
        self._finish()

    def _finish(self) -> None:
        self._write(self._sanitizer.flush())
        if self._last != "\n":
            self._write("\n")

    def _write(self, text: str) -> None:
        if text:
            self._last = text[-1]
            self._out.write(text)
