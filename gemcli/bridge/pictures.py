"""The text in pictures, pages and frames: read two at a time, kept on disk, said once."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from difflib import SequenceMatcher
from types import TracebackType
from typing import Self

from gemcli.bridge import ocr
from gemcli.errors import InputError
from gemcli.events import Event, Progress, Warning
from gemcli.keep import Keep
from gemcli.parts import Image

_AHEAD = 2 * ocr.WORKERS
_ALIKE = 0.9  # share of the letters that two frames have in common when they say the same


@dataclass(frozen=True, slots=True)
class Reading:
    """What OCR made of a picture: its text, "" where there is none; `problem` where it could not be read."""

    text: str
    problem: str = ""


class Pictures:
    """Reads pictures; a context manager.  Without the extra, every reading has a problem, said once.

    Args:
        keep: where texts are kept.
        emit: gets `Progress` of the stage ``ocr``.
        total: pictures that there are to read in all.
    """

    def __init__(self, keep: Keep, emit: Callable[[Event], None], total: int) -> None:
        self._keep = keep
        self._emit = emit
        self._total = total
        self._done = 0
        self._reader: ocr.Reader | None = None
        self._setup: ocr.Setup | None = None
        self._missing = ""
        if total:
            try:
                self._setup = ocr.find()
            except ocr.MissingError as error:
                self._lack(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.__exit__(kind, error, trace)

    def read(self, images: Sequence[Image], name: str) -> Iterator[Reading]:
        """A reading for each of the images, in their order; a few are decoded at once."""
        waiting: deque[tuple[Image, Future[str] | Reading]] = deque()
        for image in images:
            waiting.append((image, self._begin(image)))
            if len(waiting) > _AHEAD:
                yield self._end(*waiting.popleft(), name)
        while waiting:
            yield self._end(*waiting.popleft(), name)

    def read_frames(self, frames: Sequence[Image], name: str) -> tuple[list[tuple[Image, str]], int]:
        """The texts of a video's frames, each where it is first seen; and how many could not be decoded."""
        if self._setup is None:
            self._count(len(frames), name)
            return [], 0
        key = ("frames", self._setup.key(), [image.key for image in frames])
        by_key = {image.key: image for image in frames}
        kept = self._keep.get(*key) if all(by_key) else None
        if kept is not None:
            self._count(len(frames), name)
            return [(by_key[each], text) for each, text in kept["texts"]], kept["damaged"]
        from gemcli.ingest.frames import distinct

        base = self._done
        texts: list[tuple[Image, str]] = []
        waiting: deque[tuple[Image, Future[str]]] = deque()

        def take() -> None:
            image, future = waiting.popleft()
            text = future.result()
            if text and not (texts and same(texts[-1][1], text)):
                texts.append((image, text))

        def report(done: int, total: int) -> None:
            self._done = base + done
            self._emit(Progress("ocr", self._done, self._total, "pages", name))

        stream = distinct(frames, report)
        for image, pixels in stream:
            waiting.append((image, self._engine().submit(pixels, page=False)))
            if len(waiting) > _AHEAD:
                take()
        while waiting:
            take()
        damaged = len(stream.damaged)
        if all(by_key):
            self._keep.put({"texts": [[image.key, text] for image, text in texts], "damaged": damaged}, *key)
        return texts, damaged

    def _begin(self, image: Image) -> Future[str] | Reading:
        if self._setup is None:
            return Reading("", self._missing)
        kept = self._keep.get(image.key, image.role, *self._setup.key()) if image.key else None
        if kept is not None:
            return Reading(kept)
        try:
            return self._engine().submit(image.pixels(), page=image.role == "page")
        except InputError as error:
            return Reading("", error.message)
        except ocr.MissingError as error:
            self._lack(error)
            return Reading("", self._missing)

    def _end(self, image: Image, begun: Future[str] | Reading, name: str) -> Reading:
        if isinstance(begun, Reading):
            self._count(1, name)
            return begun
        try:
            reading = Reading(begun.result())
        except ocr.MissingError as error:
            self._lack(error)
            reading = Reading("", self._missing)
        else:
            if image.key and self._setup is not None:
                self._keep.put(reading.text, image.key, image.role, *self._setup.key())
        self._count(1, name)
        return reading

    @property
    def missing(self) -> bool:
        """Whether nothing can be read because OCR is not installed."""
        return bool(self._missing)

    def _lack(self, error: ocr.MissingError) -> None:
        if not self._missing:
            self._emit(Warning(f"the text in pictures is not read: {error.message}; {error.hint}"))
        self._missing = "not read, because OCR is not installed"
        self._setup = None

    def _engine(self) -> ocr.Reader:
        if self._reader is None:
            assert self._setup is not None
            self._reader = ocr.Reader(self._setup)
        return self._reader

    def _count(self, more: int, name: str) -> None:
        self._done += more
        self._emit(Progress("ocr", self._done, self._total, "pages", name))


def same(one: str, other: str) -> bool:
    """Whether two readings say the same but for what OCR makes of the same letters twice; numbers count."""
    if re.findall(r"\d+", one) != re.findall(r"\d+", other):
        return False
    first, second = (re.sub(r"\W+", "", each).casefold() for each in (one, other))
    if not first or not second or min(len(first), len(second)) < _ALIKE * max(len(first), len(second)):
        return first == second
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= _ALIKE
