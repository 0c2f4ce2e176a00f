"""Subtitle files (SubRip, WebVTT, Advanced SubStation): passages of about half a minute with their seconds.

Read as leniently as players do: a time line makes a cue whatever stands around it.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

from gemcli.errors import InputError, UsageError
from gemcli.ingest import text
from gemcli.ingest.cues import Cue, passages, plain
from gemcli.ingest.decode import decode_named
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.ingest.times import clock
from gemcli.parts import Document

_TIME = r"(?:(\d{1,4}):)?(\d{1,3}):(\d{1,2})(?:[.,](\d{1,9}))?"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_DIALOGUE = re.compile(r"Dialogue:\s*(?:Marked=)?[^,]*,([^,]*),([^,]*),(?:[^,]*,){6}(.*)")
_ASS_TIME = re.compile(rf"\s*{_TIME}\s*")


def read(source: Source, report: Report) -> Document:
    """Read a subtitle file; one without a single cue is read as the text that it is.

    `report` is not called: it takes no time worth telling.

    Raises:
        InputError: it is empty, or no text in any known encoding.
        UsageError: pages or lines are asked for, or a time after its end.
    """
    data = source.read()
    if not data:
        raise EmptyError(f"{source.name} is empty")
    decoded = decode_named(source.name, data)
    lines = decoded.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found = list(_ass(lines) if "[Events]" in decoded.text else _timed(lines))
    cues = [each for each in found if each is not None]
    malformed = len(found) - len(cues)
    if not cues:
        document = text.read(source, report)
        warning = "holds no subtitles in spite of its name; read as text"
        return replace(document, warnings=(*document.warnings, warning))
    if source.selection is not None and source.selection.exact:
        raise UsageError(
            f"{source.name} is a subtitle file: it has seconds, not {source.selection.unit}s",
            f"write {source.name}#t=10:00,12:30",
        )
    in_order = sorted(cues, key=lambda cue: cue.start)
    wanted = _within(source, in_order)
    parts = tuple(passages(each for each in wanted if each.text))
    if not parts:
        raise InputError(f"{source.name} says nothing in the time asked for", "ask for a longer stretch")
    warnings = [decoded.warning] if decoded.warning else []
    if malformed:
        warnings.append(f"{malformed:,} of {len(found):,} subtitles have no valid time; they are not read")
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=hashlib.sha256(data).hexdigest(),
        parts=parts,
        warnings=tuple(warnings),
        meta={
            "cues": len(cues),
            "overlapping": _overlapping(in_order),
            "duration": round(max(cue.end for cue in cues), 3),
            "encoding": decoded.encoding,
        },
    )


def _timed(lines: list[str]) -> Iterator[Cue | None]:
    """The cues of SubRip and WebVTT; None for each whose time line makes no sense."""
    strict = lines[0].lstrip("\ufeff").startswith("WEBVTT")
    arrows = [number for number, line in enumerate(lines) if "-->" in line]
    for number, following in itertools.pairwise([*arrows, len(lines)]):
        match = _TIMES.fullmatch(lines[number])
        if match is None:
            yield None
            continue
        start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        said = lines[number + 1 : following]
        if strict and "" in (stripped := [line.strip() for line in said]):
            said = said[: stripped.index("")]
        elif following < len(lines):
            said = _without_identifier(said)
        yield Cue(start, max(start, end), plain("\n".join(said)))


def _without_identifier(said: list[str]) -> list[str]:
    """Without the line that numbers or names the next cue."""
    if said and said[-1].strip() and (said[-1].strip().isdigit() or not (said[-2:-1] or [" "])[0].strip()):
        return said[:-1]
    return said


def _ass(lines: list[str]) -> Iterator[Cue | None]:
    """The cues of Advanced SubStation; None for each that makes no sense."""
    for line in lines:
        if not line.startswith("Dialogue:"):
            continue
        match = _DIALOGUE.fullmatch(line)
        times = [_ASS_TIME.fullmatch(each) for each in match.groups()[:2]] if match else []
        if match is None or times[0] is None or times[1] is None:
            yield None
            continue
        start, end = (_seconds(each.groups()) for each in times if each)
        yield Cue(start, max(start, end), plain(match[3]))


def _seconds(fields: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = fields
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole + float(f"0.{fraction or 0}")


def _within(source: Source, cues: list[Cue]) -> list[Cue]:
    start, end = source.stretch
    start, end = start or 0.0, float("inf") if end is None else end
    last = max(cue.end for cue in cues)
    if start > last:
        raise UsageError(
            f"{source.name} ends at {clock(last)}: nothing of it comes after {clock(start)}",
            "ask for an earlier start",
        )
    return [cue for cue in cues if cue.end >= start and cue.start < end]


def _overlapping(cues: list[Cue]) -> int:
    """How many begin before the one before has ended."""
    return sum(after.start < before.end for before, after in itertools.pairwise(cues))
