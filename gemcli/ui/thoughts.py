"""Thoughts on stderr: faint, as they come, apart from the answer on stdout."""

from __future__ import annotations

from gemcli.ui.notes import styled
from gemcli.ui.sanitize import Sanitizer
from gemcli.ui.streams import Err
from gemcli.ui.terminal import ability

_FAINT = "2"


class Thoughts:
    """Writes them; a blank line sets them off on a terminal."""

    def __init__(self, err: Err) -> None:
        self._err = err
        self._able = ability(err)
        self._sanitizer = Sanitizer(terminal=err.is_terminal)
        self._last = ""

    def push(self, text: str) -> None:
        """Some more of a thought."""
        self._write(self._sanitizer.push(text))

    def end(self) -> None:
        """The line is free for others: what comes next begins a new one."""
        self._write(self._sanitizer.flush())
        if self._last:
            self._err.write(("" if self._last == "\n" else "\n") + ("\n" if self._err.is_terminal else ""))
            self._last = ""

    def _write(self, text: str) -> None:
        if text:
            self._last = text[-1]
            self._err.write(styled(text, _FAINT, self._able))
