"""The bottom of a terminal as a region that is redrawn in place, below text printed for good.

The cursor always rests at the first cell of the region.  Erasing is then "everything from here on", which
stays true when the terminal is resized and its lines flow anew: no count of rows can go wrong.  The region is
never taller than the screen, so no row of it can scroll away and be drawn twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from gemcli.ui.streams import Stream

_BEGIN_UPDATE, _END_UPDATE = "\x1b[?2026h", "\x1b[?2026l"  # synchronized output: no half-drawn frame
_NO_WRAP, _WRAP = (
    "\x1b[?7l",
    "\x1b[?7h",
)  # a row stays one row even where the terminal takes a glyph for wider
_ERASE_BELOW = "\r\x1b[J"


class Region:
    """The live region of one terminal."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._shown: list[str] = []

    def draw(self, printed: Sequence[str], live: Sequence[str], height: int) -> None:
        """Print lines for good and show `live` below them in place of what the region showed before.

        Args:
            printed: finished lines; longer ones are wrapped by the terminal.
            live: rows no wider than the terminal; only the last ones that fit are shown.
            height: rows of the terminal.
        """
        rows = list(live)[-max(1, height - 1) :]
        if not printed and rows == self._shown:
            return
        frame = [_BEGIN_UPDATE, _ERASE_BELOW] if self._shown else [_BEGIN_UPDATE]
        frame += [line + "\n" for line in printed]
        if rows:
            frame += [_NO_WRAP, "\n".join(rows), _WRAP]
            frame.append(f"\x1b[{len(rows) - 1}A\r" if len(rows) > 1 else "\r")
        frame.append(_END_UPDATE)
        self._shown = rows
        self._stream.write("".join(frame))

    def clear(self) -> None:
        """Take the region off the screen; the cursor is where it was."""
        self.draw([], [], 2)
