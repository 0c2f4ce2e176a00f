"""How far the work before the first token is: one bar on a terminal, or plain lines with ``-v``."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from gemcli.events import Progress
from gemcli.ui.notes import Notes, styled
from gemcli.ui.region import Region
from gemcli.ui.sanitize import clean_line
from gemcli.ui.streams import Err
from gemcli.ui.terminal import Ability, ability, in_foreground, size

LABELS = {
    "pull": "downloading",
    "verify": "verifying",
    "ingest": "reading",
    "ocr": "reading pictures",
    "transcribe": "listening",
    "frames": "looking",
    "index": "indexing",
    "load": "loading",
    "encode": "seeing and hearing",
    "prefill": "prefill",
    "think": "thinking",
    "map": "reading all",
    "measure": "measuring",
    "batch": "answering",
    "cite": "quoting",
}
_RATED = {"bytes", "tokens", "records"}  # files and pages differ too much for a rate to mean anything
_WINDOW = 10.0  # seconds that a rate looks back
_LEAST_SPAN = 0.5  # seconds before a rate is worth showing
_LINE_EVERY = 2.0  # seconds between the plain lines of one stage
_BAR = (8, 30)  # least and most cells of the bar
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))

Clock = Callable[[], float]


class Meter:
    """The numbers of one stage: amount, rate and time left.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        self.event: Progress | None = None
        self._began = 0.0

    def update(self, event: Progress) -> None:
        """The latest state of the stage.  What was already done at the first one counts for no rate."""
        now = self._clock()
        if self.event is None or event.stage != self.event.stage or event.done < self.event.done:
            self._samples.clear()
            self._began = now
        self.event = event
        self._samples.append((now, event.done))
        while len(self._samples) > 2 and now - self._samples[1][0] >= _WINDOW:
            self._samples.popleft()

    @property
    def fraction(self) -> float | None:
        """Done of total, 0 to 1; None when the total is unknown."""
        if self.event is None or not self.event.total:
            return None
        return min(1.0, max(0.0, self.event.done / self.event.total))

    def rate(self) -> float | None:
        """Units a second over the last ten seconds; None while unknown."""
        if len(self._samples) < 2:
            return None
        (first, before), (last, done) = self._samples[0], self._samples[-1]
        if last - first < _LEAST_SPAN or done <= before:
            return None
        return (done - before) / (last - first)

    def parts(self) -> list[str]:
        """Amount, rate, time left (or time gone by, where the total is unknown), as far as they are known."""
        event = self.event
        if event is None:
            return []
        parts = [amount(event.done, event.total, event.unit)] if event.done or event.total else []
        rate = self.rate()
        if rate and event.unit in _RATED:
            parts.append(f"{_quantity(rate, event.unit)}/s")
        if rate and event.total and event.total > event.done:
            parts.append(f"{duration((event.total - event.done) / rate)} left")
        elif not event.total:
            parts.append(duration(self._clock() - self._began))
        return parts


def amount(done: int, total: int | None, unit: str) -> str:
    """``12.3/98.4 MB``, ``3/12 files``, ``1,234 tokens``."""
    if unit == "bytes":
        scale, name = next(((s, n) for s, n in _SIZES if (total or done) >= s), (1.0, "B"))
        digits = 0 if name == "B" else 1
        ending = f"/{total / scale:,.{digits}f}" if total else ""
        return f"{done / scale:,.{digits}f}{ending} {name}"
    return f"{done:,}/{total:,} {unit}" if total else f"{done:,} {unit}"


def duration(seconds: float) -> str:
    """``0:07``, ``1:02:03``."""
    whole = max(0, round(seconds))
    minutes = f"{whole // 60 % 60:02d}" if whole >= 3600 else f"{whole // 60}"
    return (f"{whole // 3600}:" if whole >= 3600 else "") + f"{minutes}:{whole % 60:02d}"


def _quantity(value: float, unit: str) -> str:
    if unit == "bytes":
        return amount(round(value), None, unit)
    return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"


class Status:
    """Shows progress until `end`.

    Args:
        err: stderr.
        notes: for the plain lines.
        bar: whether a bar may be drawn where stderr is a terminal.
        lines: whether plain lines are written where no bar is.
    """

    def __init__(
        self, err: Err, notes: Notes, *, bar: bool, lines: bool, clock: Clock = time.monotonic
    ) -> None:
        self._err = err
        self._notes = notes
        self._able = ability(err)
        self.live = bar and self._able.live
        self._lines = lines and not self.live
        self._clock = clock
        self._meter = Meter(clock)
        self._region = Region(err)
        self._ended = False
        self._written = float("-inf")
        self._unwritten = False
        self._ascii = not err.can_show("━─⠋·…")

    def update(self, event: Progress) -> None:
        """Take note of progress; a bar is drawn by the next `paint`."""
        if self._ended:
            return
        before = self._meter.event
        if before is not None and before.stage != event.stage:
            self._write_last()
            self._written = float("-inf")
        self._meter.update(event)
        self._unwritten = True
        now = self._clock()
        if event.done == event.total or now - self._written >= _LINE_EVERY:
            self._written = now
            self._write_last()

    def paint(self) -> None:
        """Draw the bar."""
        if not self.live or self._ended or self._meter.event is None or not in_foreground(self._err):
            return
        columns, rows = size(self._err)
        self._region.draw([], [bar(self._meter, columns - 1, self._able, self._clock(), self._ascii)], rows)

    def hide(self) -> None:
        """Take the bar away until the next `paint`."""
        self._region.clear()

    def end(self) -> None:
        """Take the bar away for good."""
        if not self._ended:
            self._write_last()
            self._ended = True
            self._region.clear()

    def _write_last(self) -> None:
        event = self._meter.event
        if self._lines and self._unwritten and event is not None:
            label = LABELS.get(event.stage, event.stage)
            self._notes.say(", ".join([" ".join([label, event.detail]).strip(), *self._meter.parts()]))
        self._unwritten = False


def bar(meter: Meter, width: int, able: Ability, now: float, plain: bool = False) -> str:
    """The line of the bar in at most `width` cells: what does not fit is left out from its end.

    Args:
        meter: the stage.
        width: cells.
        able: what the terminal can show.
        now: seconds; turns the spinner where the total is unknown.
        plain: ASCII only.
    """
    event = meter.event
    assert event is not None
    fraction = meter.fraction
    label = LABELS.get(event.stage, event.stage)
    if fraction is None:
        spinner = "-\\|/" if plain else _SPINNER
        label = f"{spinner[int(now * 8) % len(spinner)]} {label}"
    if len(label) > width:
        return label[: max(0, width)]
    dot = " - " if plain else " · "
    least = 0 if fraction is None else _BAR[0] + 1
    parts = meter.parts()
    while parts and len(label) + least + 1 + len(dot.join(parts)) > width:
        parts.pop()
    text = f" {dot.join(parts)}" if parts else ""
    room = width - len(label) - len(text)
    drawn = ""
    if fraction is not None and room > _BAR[0]:
        length = min(_BAR[1], room - 1)
        full = int(fraction * length)
        filled, empty = ("#", "-") if plain else ("━", "─")
        drawn = " " + styled(filled * full, "36", able) + styled(empty * (length - full), "2", able)
        room -= length + 1
    detail = _clipped(clean_line(event.detail, terminal=True), room - len(dot), plain)
    return label + drawn + text + (styled(dot + detail, "2", able) if detail else "")


def _clipped(text: str, room: int, plain: bool) -> str:
    """As much of the end of `text` as fits: of a path the file's name matters most."""
    from gemcli.ui.markdown.wrap import graphemes

    spans = graphemes(text)
    if sum(cells for _, _, cells in spans) <= room:
        return text
    if room < 8:
        return ""
    mark = "..." if plain else "…"
    room -= len(mark)
    start = len(text)
    for begin, _, cells in reversed(spans):
        if cells > room:
            break
        room -= cells
        start = begin
    return mark + text[start:]
