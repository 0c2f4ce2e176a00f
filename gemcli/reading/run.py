"""Windows of documents, which the model reads one after the other, and its notes on each.

Each window's notes are kept on disk as soon as they are written, under all that they depend on: the exact
tokens of its prompt, the model and its settings.  So an interrupted run goes on where it stopped, and the
same question asked again costs its last answer alone.
"""

from __future__ import annotations

import hashlib
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gemcli.errors import DoesNotFitError
from gemcli.events import Note, Progress, Warning
from gemcli.keep import Keep
from gemcli.pack.assemble import Prompt
from gemcli.pack.outline import Heading
from gemcli.pack.speed import Speed
from gemcli.pack.windows import Window, cut, named
from gemcli.parts import Document, Part, Text
from gemcli.reading import wording
from gemcli.reading.clock import Clock, about
from gemcli.reading.listen import Answer, Said, listen
from gemcli.reading.notes import above, notes
from gemcli.reading.points import Point, points
from gemcli.worker import Emit

_VERSION = 1
_SIZES = ((3e9, 3_072), (9e9, 8_192))  # parameters below which so many tokens at once are read well
_LARGEST = 16_384
_NOTE = 16  # a window's notes have this part of its size: 192 tokens of 3,072
_MERGED = 4  # merged notes have this part
_LEAST_NOTE = 48
_LEAST_TEXT = 128  # tokens of a window, below which there is no sense in reading
_TITLES = 10  # headings that are asked about at once: a line each fits into a window's notes
_LONG_TITLE = 24  # characters that it is reckoned with
_TRIES = 4
_SAY_EVERY_S = 1.0

_Wording = Callable[[str, str, Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Reader:
    """What reading needs of a loaded model.

    Attributes:
        window: tokens of a prompt and its answer together.
        parameters: its weights, by which it is judged how much it reads well at once.
        cost: tokens of a part.
        pack: documents, question and instruction become a prompt.
        ask: begins to answer a prompt: most tokens, and what is told of tokens read and in all.
        key: JSON values that its answers depend on: the model's file, the sampling.
        speed: how fast it was before, where that is known.
    """

    window: int
    parameters: int
    cost: Callable[[Part], int]
    pack: Callable[[Sequence[Document], str, str], Prompt]
    ask: Callable[[Prompt, int, Callable[[int, int], None]], Answer]
    key: Sequence[object]
    speed: Speed | None = None

    @property
    def size(self) -> int:
        """Tokens of a prompt and its notes: what a model of this kind reads well at once."""
        best = next((size for most, size in _SIZES if self.parameters < most), _LARGEST)
        return min(best, self.window)


@dataclass(frozen=True, slots=True)
class _Job:
    """A window with its prompt, and where its notes are kept."""

    window: Window
    prompt: Prompt
    key: tuple[object, ...]
    said: Said | None
    headings: tuple[Heading, ...]
    is_half: bool


class Run:
    """One reading on its way.

    Attributes:
        done: windows that were read, on all levels.
        kept: how many of them were read before.
    """

    def __init__(self, question: str, reader: Reader, keep: Keep, emit: Emit) -> None:
        self.done = 0
        self.kept = 0
        self._question = question
        self._reader = reader
        self._keep = keep
        self._emit = emit
        self._clock = Clock(reader.speed)
        self._full: list[str] = []
        self._is_summary = wording.is_summary(question)

    def level(self, documents: Sequence[Document], headings: Sequence[Heading]) -> list[Point]:
        """The points of all windows of the documents themselves."""
        room = max(_LEAST_NOTE, self._reader.size // _NOTE)
        return self._read(documents, headings, room, wording.note_question, may_split=not self._is_summary)

    def merged(
        self, documents: Sequence[Document], found: Sequence[Point], headings: Sequence[Heading]
    ) -> list[Point]:
        """Fewer points, made from points; their places are in `documents` as before."""
        short_ones = notes(documents, found, above(found, headings))
        places: dict[tuple[int, int], tuple[int, int]] = {}
        for index, document in enumerate(short_ones):
            of_document = sorted((each for each in found if each.place[0] == index), key=lambda p: p.place[1])
            anchors = {each.anchor: each.place for each in reversed(of_document)}
            for number, part in enumerate(document.parts):
                places[index, number] = anchors.get(part.anchor, (index, 0))
        room = max(_LEAST_NOTE, self._reader.size // _MERGED)
        fewer = self._read(
            short_ones, (), room, lambda question, *_: wording.merge_question(question), may_split=False
        )
        return [replace(each, place=places[each.place]) for each in fewer]

    def tell(self) -> None:
        """Say where notes were longer than their room."""
        if self._full and not self._is_summary:
            some = ", ".join(self._full[:3]) + (
                f" and {len(self._full) - 3} more" if len(self._full) > 3 else ""
            )
            self._emit(
                Warning(f"more was found than the notes had room for, so something may be missing: {some}")
            )

    def _read(
        self,
        documents: Sequence[Document],
        headings: Sequence[Heading],
        room: int,
        ask: _Wording,
        *,
        may_split: bool,
    ) -> list[Point]:
        waiting = deque(self._jobs(documents, headings, room, ask))
        total = self.done + len(waiting)
        self._announce(waiting, room)
        found: list[Point] = []
        while waiting:
            job = waiting.popleft()
            said = job.said or self._ask(job, room, total, waiting)
            self.kept += job.said is not None
            if said.cut and may_split and (smaller := self._halves(job, room, ask)):
                waiting.extendleft(reversed(smaller))
                total += len(smaller) - 1
                continue
            if said.cut:
                self._full.append(job.window.label())
            found += points(said.text, job.window, headings=job.headings, cut=said.cut)
            self.done += 1
            self._emit(Progress("map", self.done, total, "windows", job.window.label()))
        return found

    def _jobs(
        self,
        documents: Sequence[Document],
        headings: Sequence[Heading],
        room: int,
        ask: _Wording,
    ) -> list[_Job]:
        """Every window with its prompt; they are cut smaller until each prompt leaves room for its notes."""
        size = self._reader.size
        empty = len(
            self._reader.pack(
                [], ask(self._question, "x", ("x" * _LONG_TITLE,) * _TITLES), wording.SYSTEM
            ).ids
        )
        limit = size - room - empty - _LEAST_NOTE // 2
        for _ in range(_TRIES):
            if limit < _LEAST_TEXT:
                break
            windows = cut(documents, limit, cost=self._reader.cost, headings=headings)
            jobs = [self._job(window, room, ask, headings) for window in windows]
            longest = max((len(job.prompt.ids) for job in jobs), default=0)
            if longest + room <= max(size, min(size * 5 // 4, self._reader.window)):
                return jobs
            limit -= max(longest + room - size, limit // 10)
        raise DoesNotFitError(
            f"a window of {self._reader.window:,} tokens is too small to read with: the question alone takes "
            f"{empty:,} of it",
            "Allow more with --context, ask something shorter, or take a model with a larger window.",
        )

    def _job(
        self, window: Window, room: int, ask: _Wording, headings: Sequence[Heading], *, is_half: bool = False
    ) -> _Job:
        document = window.documents[0]
        example = named(document.source, document.parts[0].anchor)
        asked = _asked_about(window, headings) if self._is_summary else ()
        titles = [each.title for each in asked]
        prompt = self._reader.pack(window.documents, ask(self._question, example, titles), wording.SYSTEM)
        pictures = [
            part.key for document in window.documents for part in document.parts if not isinstance(part, Text)
        ]
        digest = hashlib.sha256(array("q", prompt.ids).tobytes()).hexdigest()
        key = (_VERSION, digest, pictures, room, *self._reader.key)
        kept = self._keep.get(*key)
        said = None
        if isinstance(kept, dict) and isinstance(kept.get("text"), str):
            said = Said(kept["text"], kept.get("cut") is True)
        return _Job(window, prompt, key, said, asked, is_half)

    def _halves(self, job: _Job, room: int, ask: _Wording) -> list[_Job]:
        """A window in two, where its notes had not room enough; none where it is a half or small already."""
        window = job.window
        if job.is_half or window.tokens < 2 * _LEAST_TEXT:
            return []
        numbers = [
            (index, part)
            for index, document in enumerate(window.documents)
            for part in range(len(document.parts))
        ]
        whole = dict(zip(numbers, window.places, strict=True))
        smaller = cut(window.documents, window.tokens * 5 // 9, cost=self._reader.cost)
        if len(smaller) < 2:
            return []
        return [
            self._job(
                replace(each, places=tuple(map(whole.__getitem__, each.places))), room, ask, (), is_half=True
            )
            for each in smaller
        ]

    def _ask(self, job: _Job, room: int, total: int, waiting: Iterable[_Job]) -> Said:
        """One window's notes, written and kept."""
        began = said_at = time.perf_counter()
        later = self._clock.seconds([each.prompt for each in waiting if each.said is None], room)
        own = self._clock.seconds([job.prompt], room)
        self._say(job, total, None if own is None or later is None else own + later)

        def heard() -> None:
            nonlocal said_at
            now = time.perf_counter()
            if now - said_at >= _SAY_EVERY_S:
                said_at = now
                left = None if own is None or later is None else max(own - (now - began), 0) + later
                self._say(job, total, left)

        answer = self._reader.ask(job.prompt, room, lambda done, total: heard())
        said = listen(answer, heard)
        self._clock.took(len(job.prompt.ids), time.perf_counter() - began)
        self._keep.put({"text": said.text, "cut": said.cut}, *job.key)
        return said

    def _say(self, job: _Job, total: int, left: float | None) -> None:
        detail = job.window.label() + (f", {about(left)} left" if left is not None else "")
        self._emit(Progress("map", self.done, total, "windows", detail))

    def _announce(self, jobs: Sequence[_Job], room: int) -> None:
        """Say once how much there is to do."""
        if self.done:
            return
        new = [job for job in jobs if job.said is None]
        tokens = sum(job.window.tokens for job in jobs)
        needs = self._clock.seconds([job.prompt for job in new], room)
        said = f"reading all {tokens:,} tokens in {len(jobs)} windows"
        if len(new) < len(jobs):
            said += f", {len(jobs) - len(new)} of them read before"
        self._emit(Note(said + (f": about {about(needs)}" if needs else "")))


def _asked_about(window: Window, headings: Sequence[Heading]) -> tuple[Heading, ...]:
    """The headings under which a window's text stands: outer ones alone where there are many."""
    own = list(window.headings)
    document, part = window.places[0]
    before = [each for each in headings if each.document == document and each.part < part]
    begins = bool(own) and (own[0].document, own[0].part) == (document, part)
    if before and not begins:
        own.insert(0, before[-1])
    for level in sorted({each.level for each in own}, reverse=True):
        if len(own) <= _TITLES:
            break
        own = [each for each in own if each.level < level]
    return tuple(own)
