"""Parts that a model cannot take become text: what is written in pictures, what is said in recordings.

Whatever yields no text leaves a short note in its place, so that the model knows that something stood there,
and nothing vanishes without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gemcli.bridge.pictures import Pictures, Reading
from gemcli.bridge.sound import Sound
from gemcli.bridge.speech import passages
from gemcli.events import Event, Warning
from gemcli.keep import Keep
from gemcli.parts import Anchor, Audio, Document, Image, Part, Text
from gemcli.plural import counted

FRAMES = 60
"""Frames of one video in which text is looked for, unless the person says otherwise."""

DEAF = "this model cannot hear"

_ENOUGH = 60
"""Characters of a page's own text that make reading its picture needless."""


def bridge(
    documents: Sequence[Document],
    *,
    senses: frozenset[str],
    ocr: bool,
    offline: bool,
    keep: bool,
    emit: Callable[[Event], None],
    max_frames: int | None,
    deaf: str = DEAF,
) -> list[Document]:
    """Documents in parts that the model can take.

    Args:
        documents: as they were read.
        senses: what the model takes beside text: ``image``, ``audio``.
        ocr: read the text in pictures also where the model could see them; those without text stay.
        offline: no model may be fetched.
        keep: keep what was made on disk, and use what is kept.
        emit: gets `Progress` of the stages ``ocr`` (pages) and ``transcribe`` (seconds), and a `Warning` for
            what is left out.
        max_frames: frames of one video in which text is looked for; None for `FRAMES`.
        deaf: why sound is written down, for where there is no speech in it.

    Returns:
        The documents in their order.  One of which nothing but notes is left has ``unseen`` in its `meta`.

    Raises:
        ModelUnavailableError: speech is to be written down, and the model for it is not here and may not or
            cannot be fetched.
    """
    jobs = [_Job(each, senses, ocr, max_frames or FRAMES, deaf) for each in documents]
    with Pictures(Keep("ocr", on=keep), emit, sum(each.picture_count for each in jobs)) as pictures:
        sound = Sound(Keep("speech", on=keep), emit, sum(each.seconds for each in jobs), offline=offline)
        return [job.run(pictures, sound, emit) for job in jobs]


@dataclass(frozen=True, slots=True)
class _At:
    """A part made in the place of another."""

    place: int
    part: Part


class _Job:
    """One document: what of it becomes text, and the document made of that."""

    def __init__(
        self, document: Document, senses: frozenset[str], ocr: bool, max_frames: int, deaf: str
    ) -> None:
        self._document = document
        self._deaf = deaf
        self._sees = "image" in senses
        self._warnings: list[str] = []
        parts = list(enumerate(document.parts))
        looked = not self._sees or ocr
        images = [(place, part) for place, part in parts if isinstance(part, Image) and looked]
        told = {} if ocr else _pages_with_text(document)
        self._told = [
            (place, part)
            for place, part in images
            if part.role == "page" and told.get(part.anchor.page, 0) >= _ENOUGH
        ]
        done = {place for place, _ in self._told}
        self._pictures = [each for each in images if each[1].role != "frame" and each[0] not in done]
        frames = [each for each in images if each[1].role == "frame"]
        self._frame_count = len(frames)
        self._frames = _spread(frames, max_frames)
        self._all_frames = frames
        self._audio = [
            (place, part) for place, part in parts if isinstance(part, Audio) and "audio" not in senses
        ]
        self.picture_count = len(self._pictures) + len(self._frames)
        self.seconds = sum(part.seconds for _, part in self._audio)

    def run(self, pictures: Pictures, sound: Sound, emit: Callable[[Event], None]) -> Document:
        """The document with what was made of its parts."""
        replaced = {place for place, _ in (*self._told, *self._pictures, *self._all_frames, *self._audio)}
        if not replaced:
            return self._document
        made = [*self._read(pictures), *self._read_frames(pictures), *self._hear(sound)]
        if self._told:
            count = len(self._told)
            self._warn(
                f"the pictures of {counted(count, 'page')} are left out, since this model "
                "cannot see: only their own text is read; --ocr reads the text in the pictures too"
            )
        by_place: dict[int, list[Part]] = {}
        for each in made:
            by_place.setdefault(each.place, []).append(each.part)
        parts: list[Part] = []
        for place, part in enumerate(self._document.parts):
            parts += by_place.get(place, []) if place in replaced else [part]
        timed = bool(self._audio or self._all_frames)
        parts = _by_time(parts) if timed else parts
        for warning in self._warnings:
            emit(Warning(f"{self._document.source}: {warning}"))
        unseen = all(isinstance(part, Text) and part.via == "note" for part in parts)
        meta = {**self._document.meta, "unseen": True} if unseen else self._document.meta
        warnings = (*self._document.warnings, *self._warnings)
        return replace(self._document, parts=tuple(parts), warnings=warnings, meta=meta)

    def _read(self, pictures: Pictures) -> list[_At]:
        made = []
        images = [image for _, image in self._pictures]
        readings = pictures.read(images, self._document.source)
        for (place, image), reading in zip(self._pictures, readings, strict=True):
            if reading.problem and not pictures.missing:
                where = image.anchor.label()
                self._warn(f"{where + ': ' if where else ''}a picture cannot be read: {reading.problem}")
            made.append(_At(place, self._as_text(image, reading)))
        return made

    def _as_text(self, image: Image, reading: Reading) -> Part:
        if reading.text:
            return Text(reading.text, image.anchor, via="ocr")
        if self._sees and not reading.problem:
            return image
        kind = "page" if image.role == "page" else "picture"
        what = f"{kind}: {' '.join(image.alt.split())}" if image.alt.strip() else kind
        why = reading.problem or "no text in it"
        blind = "" if self._sees else "; this model cannot see pictures"
        return Text(f"({what}, {image.width}×{image.height} pixels; {why}{blind})", image.anchor, via="note")

    def _read_frames(self, pictures: Pictures) -> list[_At]:
        if not self._all_frames:
            return []
        chosen = [image for _, image in self._frames]
        texts, damaged = pictures.read_frames(chosen, self._document.source)
        if len(chosen) < self._frame_count and not pictures.missing:
            self._warn(
                f"text was looked for in {len(chosen):,} of {self._frame_count:,} frames, evenly spread; "
                "--max-frames sets how many"
            )
        if damaged:
            self._warn(f"{damaged:,} of {len(chosen):,} frames cannot be decoded")
        if texts:
            said = {id(image): text for image, text in texts}
            return [
                _At(place, Text(said[id(image)], image.anchor, via="ocr") if id(image) in said else image)
                for place, image in self._all_frames
                if id(image) in said or self._sees
            ]
        if self._sees and not pictures.missing:
            return [_At(place, image) for place, image in self._all_frames]
        why = "not read, because OCR is not installed" if pictures.missing else "no text in them"
        blind = "" if self._sees else "; this model cannot see pictures"
        first = chosen[0]
        note = f"({len(chosen):,} frames of a video, {first.width}×{first.height} pixels; {why}{blind})"
        return [_At(self._all_frames[0][0], Text(note, _span(chosen), via="note"))]

    def _hear(self, sound: Sound) -> list[_At]:
        made = []
        for place, audio in self._audio:
            heard = sound.hear(audio, self._document.source)
            for each in passages(heard.segments):
                anchor = Anchor(seconds=(round(each.start, 3), round(each.end, 3)))
                made.append(_At(place, Text(each.text, anchor, via="speech")))
            if heard.segments and heard.problem:
                self._warn(f"what is said after {heard.segments[-1].end:.0f} s is lost: {heard.problem}")
            if not heard.segments:
                why = heard.problem or "no speech in it"
                if heard.problem and not heard.problem.startswith("not heard"):
                    self._warn(f"its sound cannot be heard: {heard.problem}")
                note = f"(recording, {_length(audio.seconds)}; {why}; {self._deaf})"
                made.append(_At(place, Text(note, audio.anchor, via="note")))
        return made

    def _warn(self, message: str) -> None:
        self._warnings.append(message)


def _pages_with_text(document: Document) -> dict[int | None, int]:
    """Characters of each page's own text."""
    found: dict[int | None, int] = {}
    for part in document.parts:
        if isinstance(part, Text) and part.anchor.page is not None:
            found[part.anchor.page] = found.get(part.anchor.page, 0) + len(part.text.strip())
    return found


def _spread(frames: list[tuple[int, Image]], most: int) -> list[tuple[int, Image]]:
    """`most` of the frames, evenly spread; all where there are no more."""
    count = len(frames)
    return frames if count <= most else [frames[index * count // most] for index in range(most)]


def _by_time(parts: Sequence[Part]) -> list[Part]:
    """Runs of parts that stand at a time, each run in the order of time; others stay where they are."""
    done: list[Part] = []
    run: list[Part] = []
    for part in (*parts, None):
        if part is not None and part.anchor.seconds is not None:
            run.append(part)
            continue
        done += sorted(run, key=lambda each: each.anchor.seconds[0] if each.anchor.seconds else 0.0)
        run = []
        if part is not None:
            done.append(part)
    return done


def _span(frames: Sequence[Image]) -> Anchor:
    first, last = frames[0].anchor.seconds, frames[-1].anchor.seconds
    return Anchor(seconds=(first[0], last[1])) if first and last else frames[0].anchor


def _length(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"
