"""What a container holds, learnt from its packets without decoding sound or pictures: when each frame is
shown, where decoding can begin, how long the sound lasts, what the subtitles and chapters say.

Times are seconds from the start of the recording as a player shows them.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from gemcli.ingest.cues import Cue, plain
from gemcli.ingest.lengths import missing_end
from gemcli.ingest.media import first_choice, moving_pictures, open_media
from gemcli.ingest.source import Report, Source
from gemcli.ingest.times import clock

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.stream import Stream

#: A start this near to zero is the delay of a codec, not a recording that begins later.
_CODEC_DELAY = 0.1

#: Seconds between two packets beyond which their times are taken for damage.
_LONGEST_GAP = 6 * 3600.0

#: Seconds of padding that a codec adds to the ends of a recording at most.
_PADDING = 0.2

_TEXT_SUBTITLES = frozenset(
    {"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text", "subviewer", "microdvd", "sami"}
)


@dataclass(frozen=True, slots=True)
class Frames:
    """A video stream's frames in the order in which they are shown.

    Attributes:
        stream: its number in the container.
        pts: i64 [n], rising: their times in units of `unit`; decoding times where the file has no other.
        keys: i64 [m], rising: those that can be decoded by themselves.
        unit: seconds of one tick.
        origin: seconds of the container's clock at which the recording starts.
        exact: whether `pts` are presentation times.
    """

    stream: int
    pts: np.ndarray
    keys: np.ndarray
    unit: Fraction
    origin: float
    exact: bool

    def seconds(self, pts: np.ndarray) -> np.ndarray:
        """Times as f64 seconds."""
        return pts * float(self.unit) - self.origin


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound track.

    Attributes:
        stream: its number in the container.
        start, end: seconds.
        origin: as in `Frames`.
    """

    stream: int
    start: float
    end: float
    origin: float


@dataclass(slots=True)
class Survey:
    """What was found.

    Attributes:
        frames: the moving pictures; None where there are none.
        sound: the sound track; None where there is none.
        cues: subtitles in the order of time.
        chapters: start, end and title.
        end: seconds at which the last of pictures and sound ends.
        meta: facts for display.
        warnings: what is missing or not read.
    """

    frames: Frames | None = None
    sound: Sound | None = None
    cues: list[Cue] = field(default_factory=list)
    chapters: list[tuple[float, float, str]] = field(default_factory=list)
    end: float = 0.0
    meta: dict[str, object] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def survey(source: Source, report: Report) -> Survey:
    """Walk through the packets of a source; `report` counts seconds.

    Raises:
        InputError: it is empty or cannot be opened.
    """
    with open_media(source) as container:
        return _Walk(source, container, report).survey()


@dataclass(slots=True)
class _Times:
    """Times of one stream's packets, in its own unit; `key` marks where decoding can begin."""

    pts: array[int] = field(default_factory=lambda: array("q"))
    dts: array[int] = field(default_factory=lambda: array("q"))
    key: array[int] = field(default_factory=lambda: array("b"))
    unshown: int = 0
    without_pts: int = 0
    last: int = 0


class _Walk:
    def __init__(self, source: Source, container: InputContainer, report: Report) -> None:
        self._source = source
        self._container = container
        self._report = report
        self._video = moving_pictures(container)
        self._audio = first_choice(list(container.streams.audio))
        texts = [
            each
            for each in container.streams.subtitles
            if each.codec_context is not None and each.codec_context.name in _TEXT_SUBTITLES
        ]
        self._subtitles = first_choice(list(texts))
        self._found = Survey()
        self._pictures = _Times()
        self._tones = _Times()
        self._cues: list[tuple[int, int, str]] = []
        self._start = 0.0

    def survey(self) -> Survey:
        """Walk, then put together what was seen."""
        damage = self._walk()
        found = self._found
        sound = self._sound_times()
        origin = self._start = self._origin(sound)
        found.frames = self._frames(origin)
        if sound is not None and self._audio is not None:
            found.sound = Sound(self._audio.index, max(0.0, sound[0] - origin), sound[1] - origin, origin)
        ends = [found.sound.end] if found.sound else []
        if found.frames is not None:
            seconds = found.frames.seconds(found.frames.pts[-2:])
            ends.append(float(seconds[-1]) + (float(seconds[-1] - seconds[0]) if len(seconds) > 1 else 0.04))
        found.end = max(ends, default=0.0)
        self._texts(origin)
        self._facts()
        found.warnings += missing_end(self._source, self._container, found.end, self._start, damage)
        return found

    def _walk(self) -> str:
        """Read every packet; returns what stopped it early, if anything did."""
        import av
        from av.error import FFmpegError

        wanted = [each for each in (self._video, self._audio, self._subtitles) if each is not None]
        if not wanted:
            return ""
        total = int((self._container.duration or 0) / av.time_base)
        try:
            for packet in self._container.demux(wanted):
                if packet.size == 0:
                    continue
                if packet.stream is self._video:
                    _note(self._pictures, packet)
                    if len(self._pictures.dts) % 500 == 0:
                        done = int((packet.dts or 0) * (packet.time_base or 0))
                        self._report(max(0, min(done, total)), total)
                elif packet.stream is self._audio:
                    _note(self._tones, packet)
                else:
                    self._cue(packet)
        except (FFmpegError, ValueError) as error:
            return str(error)
        self._report(total, total)
        return ""

    def _cue(self, packet: Packet) -> None:
        from av.error import FFmpegError

        if packet.pts is None:
            return
        try:
            lines = [line for each in _decoded(packet) for line in _lines(each)]
        except (FFmpegError, ValueError, UnicodeDecodeError):
            return
        self._cues.append((packet.pts, packet.pts + (packet.duration or 0), "\n".join(lines)))

    def _sound_times(self) -> tuple[float, float] | None:
        """First and last second of the sound on the container's clock."""
        times = self._tones
        if self._audio is None or not len(times.dts):
            return None
        unit = float(self._audio.time_base or Fraction(1, 1000))
        pts = np.frombuffer(times.pts, np.int64)
        order = np.sort(pts)
        order = order[: _unbroken(order * unit)]
        last = int(order[-1])
        length = times.last if last == int(pts[-1]) else 0
        first = float(order[0]) * unit
        end = (last + length) * unit
        # What the head says leaves out the padding of the codec, which the packets do not tell.
        declared = first + (self._audio.duration or 0) * unit
        return first, declared if abs(declared - end) < _PADDING else end

    def _origin(self, sound: tuple[float, float] | None) -> float:
        import av

        if not len(self._pictures.dts):
            return sound[0] if sound is not None else 0.0
        start = self._container.start_time
        origin = start / av.time_base if start is not None else 0.0
        return origin if abs(origin) >= _CODEC_DELAY else 0.0

    def _frames(self, origin: float) -> Frames | None:
        times = self._pictures
        if self._video is None or not len(times.dts):
            return None
        unit = self._video.time_base or Fraction(1, 1000)
        exact = times.without_pts * 2 < len(times.pts)
        stamps = np.frombuffer(times.pts if exact else times.dts, np.int64)
        key = np.frombuffer(times.key, np.int8) != 0
        pts = np.unique(stamps)
        keep = _unbroken(pts * float(unit))
        if keep < len(pts):
            at = clock(float(pts[keep - 1]) * float(unit) - origin)
            lost = len(pts) - keep
            self._found.warnings.append(
                f"the times of {lost:,} frames after {at} cannot be right; they are not read"
            )
        pts = pts[:keep]
        keys = np.unique(stamps[key])
        keys = keys[keys <= pts[-1]]
        return Frames(self._video.index, pts, keys, unit, origin, exact)

    def _texts(self, origin: float) -> None:
        found = self._found
        if self._subtitles is not None:
            unit = float(self._subtitles.time_base or Fraction(1, 1000))
            for start, end, text in sorted(self._cues):
                if said := plain(text):
                    at = start * unit - origin
                    if 0 <= at <= found.end + 1:
                        found.cues.append(Cue(at, max(at, end * unit - origin), said))
        for chapter in self._container.chapters():
            unit = float(chapter.get("time_base") or 0)
            start, end = (max(0.0, chapter[side] * unit - origin) for side in ("start", "end"))
            title = plain(str(chapter.get("metadata", {}).get("title", "")))
            if start <= found.end + 1:
                found.chapters.append((start, max(start, min(end, found.end)), title))
        found.chapters.sort()

    def _facts(self) -> None:
        found, container = self._found, self._container
        tags: dict[str, str] = {}
        for metadata in (*(stream.metadata for stream in container.streams), container.metadata):
            tags |= {name.lower(): value for name, value in metadata.items()}
        for name in ("title", "artist", "album"):
            if value := " ".join(tags.get(name, "").split()):
                found.meta[name] = value[:300]
        found.meta["duration"] = round(found.end, 3)
        for kind, stream in (("video", self._video), ("audio", self._audio)):
            if stream is not None and stream.codec_context is not None:
                found.meta[kind] = stream.codec_context.name
        if found.frames is not None and len(found.frames.pts) > 1:
            seconds = found.frames.seconds(found.frames.pts[[0, -1]])
            found.meta["frame_rate"] = round((len(found.frames.pts) - 1) / float(seconds[1] - seconds[0]), 3)
        self._more_streams("sound track", list(container.streams.audio), self._audio)
        self._more_streams("subtitle track", list(container.streams.subtitles), self._subtitles)

    def _more_streams(self, what: str, streams: list[Any], read: Stream | None) -> None:
        others = [each for each in streams if each is not read]
        if not others:
            return
        names = ", ".join(each.language or each.codec_context.name for each in others if each.codec_context)
        more = f" ({names})" if names else ""
        are = f"{len(others)} {what}{'s are' if len(others) > 1 else ' is'}"
        self._found.warnings.append(f"{are} not read{more}" if read is None else f"{are} left out{more}")


def _note(times: _Times, packet: Packet) -> None:
    if packet.is_discard:
        times.unshown += 1
        return
    stamp = packet.pts if packet.pts is not None else packet.dts
    if stamp is None:
        stamp = times.pts[-1] + times.last if len(times.pts) else 0
    times.without_pts += packet.pts is None
    times.pts.append(stamp)
    times.dts.append(packet.dts if packet.dts is not None else stamp)
    times.key.append(packet.is_keyframe)
    times.last = packet.duration or 0


def _unbroken(seconds: np.ndarray) -> int:
    """How many of the rising times come before a gap that cannot be right."""
    gaps = np.flatnonzero(np.diff(seconds) > _LONGEST_GAP)
    return int(gaps[0]) + 1 if len(gaps) else len(seconds)


def _decoded(packet: Packet) -> list[Any]:
    found: list[Any] = []
    for each in packet.decode():
        found += list(each) if hasattr(each, "rects") or hasattr(each, "__iter__") else [each]
    return found


def _lines(rect: Any) -> list[str]:
    """The words of one subtitle."""
    said = getattr(rect, "dialogue", None) or getattr(rect, "text", None) or b""
    return [said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)]
