"""The frames of an animation that are worth showing: those that differ, in the time asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gemcli.errors import InputError
from gemcli.ingest.flatten import flatten
from gemcli.ingest.raster import load
from gemcli.ingest.repeats import Repeats
from gemcli.ingest.source import Report, Source

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

#: Frames that are read at most where the person names no number.
MAX_FRAMES = 32

#: Pixels of all frames that are decoded at most.
MAX_WATCHED = 1_000_000_000

_LEAST_COST = 1 << 16  # a frame takes some time, however small
_COMPARED_SIDE = 128
_NO_DURATION = 0.1  # what browsers show a frame for that says none, or less than they can
_SHORTEST = 0.02
_LONGEST = 3600.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its number from 0, and the seconds that it is shown from and to."""

    index: int
    start: float
    end: float


@dataclass(slots=True)
class Motion:
    """An animation, watched to its end.

    Attributes:
        kept: the frames to be shown; each lasts until the next one that differs.
        frames: how many were decoded.
        seconds: how long they last.
        declared: how many the file says it has; 0 where it does not say.
        repeats: how many were left out because they show what the one before shows.
        differing: how many differed, before they were thinned to the number wanted.
        lost: why it could not be watched to its end; ``""`` where it was.
    """

    kept: list[Frame] = field(default_factory=list)
    frames: int = 0
    seconds: float = 0.0
    declared: int = 0
    repeats: int = 0
    differing: int = 0
    lost: str = ""

    def warnings(self) -> list[str]:
        """A sentence for each thing that is not shown."""
        said: list[str] = []
        if self.repeats:
            said.append(
                f"{self.repeats:,} of {self.frames:,} frames repeat the one before; they are left out"
            )
        if self.differing > len(self.kept):
            said.append(
                f"of {self.differing:,} differing frames {len(self.kept):,} are read, evenly spread; "
                "--max-frames sets how many"
            )
        if self.lost:
            said.append(
                f"{self.lost}: frames from {self.seconds:.1f} s on (number {self.frames + 1:,}) are missing"
            )
        return said


def watch(source: Source, picture: ImageFile, report: Report) -> Motion:
    """Decode an animation frame by frame; `report` counts frames.

    Raises:
        InputError: no frame can be decoded, or none lies within the time asked for.
    """
    start, end = source.stretch
    start = start or 0.0
    step = 1 / source.wants.fps if source.wants.fps else 0.0
    motion = Motion(declared=int(getattr(picture, "n_frames", 0)) if picture.format != "GIF" else 0)
    repeats = Repeats()
    differing: list[Frame] = []
    cost, due = 0, 0.0
    while cost < MAX_WATCHED:
        report(motion.frames, max(motion.declared, motion.frames + 1))
        try:
            picture.seek(motion.frames)
            damage = load(picture)
        except EOFError:
            if motion.frames < motion.declared:
                motion.lost = "is cut short"
            break
        except Exception:  # Pillow's, of any kind
            if not motion.frames:
                raise
            motion.lost = "is damaged"
            break
        if damage and motion.frames:
            motion.lost = "is damaged"
            break
        shown = Frame(motion.frames, motion.seconds, round(motion.seconds + _duration(picture), 3))
        motion.frames, motion.seconds = motion.frames + 1, shown.end
        cost += max(_LEAST_COST, picture.width * picture.height)
        if shown.end > start and (end is None or shown.start < end) and shown.start >= due - 1e-6:
            if repeats.is_new(flatten(picture, side=_COMPARED_SIDE)):
                differing.append(shown)
            due = shown.start + step if step else 0.0
        if damage:
            motion.lost = damage
            break
        if motion.declared and motion.frames == motion.declared:
            break
    else:
        motion.lost = "is very long"
    if not differing:
        raise InputError(
            f"{source.name} lasts {motion.seconds:.1f} s: no frame lies within the time asked for",
            "ask for an earlier --start or a later --end",
        )
    motion.repeats = repeats.dropped
    motion.differing = len(differing)
    ends = [each.start for each in differing[1:]] + [
        motion.seconds if end is None else min(end, motion.seconds)
    ]
    differing = [replace(each, end=end) for each, end in zip(differing, ends, strict=True)]
    motion.kept = _spread(differing, source.wants.max_frames or MAX_FRAMES)
    return motion


def _duration(picture: ImageFile) -> float:
    """Seconds that the current frame is shown."""
    duration = picture.info.get("duration")
    seconds = duration / 1000 if isinstance(duration, int | float) else 0.0
    return min(seconds, _LONGEST) if seconds >= _SHORTEST else _NO_DURATION


def _spread(frames: list[Frame], count: int) -> list[Frame]:
    """`count` of the frames, the first and the last among them, evenly spread; all where there are fewer."""
    if len(frames) <= count:
        return frames
    if count == 1:
        return frames[:1]
    return [frames[round(place * (len(frames) - 1) / (count - 1))] for place in range(count)]
