"""Recordings and videos: sound, frames at the wanted times, subtitles and chapters, in the order of time.

Whether there are moving pictures is told by the file, not by its name; cover art is none.
"""

from __future__ import annotations

from gemcli.errors import InputError, UsageError
from gemcli.ingest.cues import chapter_part, passages
from gemcli.ingest.frames import frame_parts
from gemcli.ingest.kinds import kind_name
from gemcli.ingest.moments import Choice, choose
from gemcli.ingest.sound import audio_part
from gemcli.ingest.source import Report, Source
from gemcli.ingest.survey import Frames, Survey, survey
from gemcli.ingest.times import clock
from gemcli.parts import Audio, Document, Image, Part, Text

#: Seconds of subtitles that make one part beside frames.
_PASSAGE = 10.0

#: Seconds of sound below which there is nothing to hear.
_SHORTEST = 0.01

_RANK = {Text: 0, Audio: 1, Image: 2}


def read(source: Source, report: Report) -> Document:
    """Read the wanted stretch of a recording or a video; `report` counts seconds.

    Nothing is decoded but one frame, which tells how the pictures are turned.

    Raises:
        InputError: it is empty, damaged, or holds neither sound nor pictures.
        UsageError: pages or lines are asked for, or a time after its end.
    """
    if source.selection is not None and source.selection.exact:
        raise UsageError(
            f"{source.name} is {kind_name(source.media_type)}: it has seconds, not {source.selection.unit}s",
            f"write {source.name}#t=10:00,12:30",
        )
    found = survey(source, report)
    if found.frames is None and found.sound is None:
        raise InputError(
            f"{source.name} holds neither sound nor moving pictures that can be read",
            "fetch it again, or convert it with the program that plays it",
        )
    if found.end < _SHORTEST:
        raise InputError(f"{source.name} is empty: it lasts 0 seconds")
    start, end = _stretch(source, found)
    sha256 = source.sha256()
    warnings = list(found.warnings)
    meta = dict(found.meta)
    parts: list[Part] = []
    sound = found.sound
    if sound is not None and (source.wants.sound or found.frames is None):
        first, last = max(start, sound.start), min(end, sound.end)
        if last - first >= _SHORTEST:
            parts.append(audio_part(source, sound, first, last, sha256))
    if found.frames is not None:
        frames = found.frames
        choice = _choice(source, frames, start, end)
        images = frame_parts(source, frames, choice.places, sha256)
        parts += images
        warnings += _thinned(source, choice, len(images))
        meta |= {"width": images[0].width, "height": images[0].height, "frames": len(images)}
    cues = [cue for cue in found.cues if cue.end > start and cue.start < end]
    texts: list[Part] = [
        chapter_part(title, max(start, first), min(end, last))
        for first, last, title in found.chapters
        if title and last > start and first < end
    ]
    said: list[Part] = list(passages(cues, _PASSAGE if found.frames is not None else 30.0))
    ordered = sorted([*texts, *parts, *said], key=_moment)
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=tuple(ordered),
        warnings=tuple(warnings),
        meta=meta,
    )


def _moment(part: Part) -> tuple[float, int]:
    seconds = part.anchor.seconds
    assert seconds is not None, "every part of a recording has its time"
    return seconds[0], _RANK[type(part)]


def _stretch(source: Source, found: Survey) -> tuple[float, float]:
    """Start and end of what is wanted, within the recording."""
    first, last = source.stretch
    start, end = first or 0.0, found.end if last is None else last
    if start >= found.end:
        raise UsageError(
            f"{source.name} lasts {clock(found.end)}: nothing of it comes after {clock(start)}",
            "ask for an earlier start",
        )
    if end > found.end + 1:
        found.warnings.append(f"lasts {clock(found.end)}: nothing comes between then and {clock(end)}")
    return start, min(end, found.end)


def _choice(source: Source, frames: Frames, start: float, end: float) -> Choice:
    return choose(
        frames.seconds(frames.pts),
        frames.seconds(frames.keys),
        start,
        end,
        source.wants.fps,
        source.wants.max_frames,
    )


def _thinned(source: Source, choice: Choice, given: int) -> list[str]:
    """A sentence where fewer frames are read than the rate gives."""
    if choice.bound >= choice.wanted:
        return []
    wants = source.wants
    rate = f"{wants.fps:g} a second" if wants.fps else "one a second"
    how = "--max-frames" if wants.max_frames else "--fps or --max-frames"
    return [
        f"{given:,} frames are read, one every {choice.step:.1f} s, instead of the {choice.wanted:,} that "
        f"{rate} would be; {how} sets how many"
    ]
