"""A terminal: a pseudo-terminal of the kernel, read by the emulator pyte with what is usual today besides."""

import fcntl
import os
import pty
import select
import struct
import termios
import threading
import unicodedata

import pyte
from wcwidth import wcwidth


class Screen(pyte.HistoryScreen):
    """pyte's screen with scrollback, joiners and selectors kept with their character, and resizing that flows
    lines anew as today's terminals do."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows, history=1_000_000)

    def draw(self, data: str) -> None:
        for char in data:
            if wcwidth(char) == 0 and not unicodedata.combining(char):
                x = max(0, self.cursor.x - 1)
                cell = self.buffer[self.cursor.y][x]
                self.buffer[self.cursor.y][x] = cell._replace(data=cell.data + char)
            else:
                super().draw(char)

    def transcript(self) -> list[str]:
        """Everything from the first line of the scrollback to the last line that is not empty."""
        rows = [self._text(row) for row in self.history.top] + [
            self._text(self.buffer[y]) for y in range(self.lines)
        ]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def flow(self, columns: int) -> None:
        """Change the width; longer rows continue on the next, and the cursor stays at its character."""
        rows = [[self.buffer[y][x] for x in range(self.columns)] for y in range(self.lines)]
        at = self.cursor.y
        flowed, cursor = [], 0
        for y, row in enumerate(rows):
            used = max((x + 1 for x, cell in enumerate(row) if cell.data != " "), default=0)
            if y == at:
                cursor = len(flowed) + self.cursor.x // columns
            chunks = [row[x : x + columns] for x in range(0, max(used, 1), columns)]
            flowed += chunks
        while len(flowed) > max(self.lines, cursor + 1) and not any(cell.data != " " for cell in flowed[-1]):
            flowed.pop()
        x = self.cursor.x % columns
        self.resize(columns=columns)
        for chunk in flowed[: max(0, len(flowed) - self.lines)]:
            line = type(self.buffer[0])(default=self.default_char)
            line.update(enumerate(chunk))
            self.history.top.append(line)
        cursor -= max(0, len(flowed) - self.lines)
        shown = flowed[-self.lines :]
        for y in range(self.lines):
            self.buffer[y].clear()
            if y < len(shown):
                self.buffer[y].update(enumerate(shown[y]))
        self.cursor.y, self.cursor.x = max(0, cursor), x

    @staticmethod
    def _text(row) -> str:
        width = max(row, default=-1) + 1
        return "".join(row[x].data for x in range(width)).rstrip()


class Pty:
    """A pseudo-terminal whose output an emulator reads as it comes."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.master, self.slave = pty.openpty()
        self.screen = Screen(columns, rows)
        self.bytes = b""
        self._feed = pyte.ByteStream(self.screen)
        self._lock = threading.Lock()
        self._size(columns)
        self._stop, self._wake = os.pipe()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def resize(self, columns: int) -> None:
        """Change the width; lines flow anew.  The kernel tells the program."""
        with self._lock:
            self.screen.flow(columns)
            self._size(columns)

    def close(self) -> None:
        """Read no more, and close it."""
        os.write(self._wake, b"x")
        self._reader.join()
        for descriptor in (self.master, self.slave, self._stop, self._wake):
            os.close(descriptor)

    def _size(self, columns: int) -> None:
        size = struct.pack("HHHH", self.screen.lines, columns, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self.master, self._stop], [], [])
            if self._stop in ready:
                return
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            with self._lock:
                self._feed.feed(data)
                self.bytes += data
