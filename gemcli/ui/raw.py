"""The answer as plain text: every token leaves at once, and nothing but the answer does."""

from __future__ import annotations

from gemcli.events import Error, Event, Result, Token
from gemcli.ui.indent import Indenter
from gemcli.ui.sanitize import Sanitizer
from gemcli.ui.streams import Out
from gemcli.ui.terminal import ability


class RawView:
    """For pipes, ``--raw`` and terminals that can show nothing else.

    Args:
        out: stdout.
        indent: the text is JSON, which gets a line for each member.
        cites: citations follow the text, which is not for a program then.
    """

    shows_thoughts = False

    def __init__(self, out: Out, *, indent: bool = False, cites: bool = True) -> None:
        self._out = out
        self._cites = cites
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
            if isinstance(event, Result) and self._cites:
                self._cite(event.data.get("citations"))

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

    def _cite(self, citations: object) -> None:
        if isinstance(citations, list) and citations:
            from gemcli.ui.citations import lines

            signs = self._out.can_show("✓✗")
            below = lines(citations, ability(self._out), signs=signs)
            self._write("\n" + "".join(line + "\n" for line in below))

    def _write(self, text: str) -> None:
        if text:
            self._last = text[-1]
            self._out.write(text)
