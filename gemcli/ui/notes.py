"""Warnings and errors: lines on stderr that begin with the program's name."""

from __future__ import annotations

from gemcli.ui.sanitize import clean_line
from gemcli.ui.streams import Err
from gemcli.ui.terminal import Ability, ability

_WARNING, _ERROR, _FAINT = "1;33", "1;31", "2"


def styled(text: str, code: str, able: Ability) -> str:
    """`text` in the style of an SGR code, as far as the terminal may show it."""
    if not able.styled or not text:
        return text
    if not able.coloured:
        code = ";".join(number for number in code.split(";") if int(number) < 10)  # weight, not colour
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


class Notes:
    """Writes the lines."""

    def __init__(self, err: Err) -> None:
        self._err = err
        self._able = ability(err)
        self._warned: set[str] = set()

    def warning(self, message: str) -> None:
        """Show a warning, unless it was shown before."""
        if self.is_new(message):
            self._warned.add(message)
            self._line(styled("warning:", _WARNING, self._able), message)

    def is_new(self, message: str) -> bool:
        """Whether this warning was not shown before."""
        return message not in self._warned

    def begin(self, start: str) -> None:
        """What the next line must come after, e.g. the end of an unfinished one."""
        self._err.write(start)

    def error(self, message: str, hint: str | None = None) -> None:
        """Show what went wrong, and below it what to do."""
        self._line(styled("error:", _ERROR, self._able), message)
        if hint:
            self._line(styled("hint:", _FAINT, self._able), hint)

    def say(self, message: str) -> None:
        """Show a line of information."""
        self._line("", message)

    def _line(self, kind: str, message: str) -> None:
        head = f"gemcli: {kind} " if kind else "gemcli: "
        self._err.write(head + clean_line(message, terminal=self._err.is_terminal) + "\n")
