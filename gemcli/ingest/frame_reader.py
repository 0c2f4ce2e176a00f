"""The chosen frames of one video, decoded by one reader for all of them, cheap in the order of time.

The survey knows each packet's time, so the reader decides exactly: it jumps to where decoding can begin
when that skips more than it costs, decodes fully only what is asked for (of the rest only what others need),
and drains the decoder when it is about to jump anyway.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from gemcli.errors import GemcliError, InputError
from gemcli.ingest.media import open_media, prepare
from gemcli.ingest.source import Source
from gemcli.ingest.survey import Frames
from gemcli.ingest.times import clock

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer

#: Frames that a jump must save: it costs about as much as decoding these.
_JUMP = 12

#: Seconds of the container's clock that are searched back for a place to start.
_BACK = 10.0

#: Seconds by which a frame may be missed before it counts as damaged: a player too shows the one before.
_STANDS_IN = 1.0

_NEVER = -(1 << 62)


class FrameReader:
    """Decodes chosen frames of one video; safe between threads.

    Args:
        source, frames: the video.
        wanted: i64 [n], rising: the times (in the stream's unit) of the frames that will be asked for.
    """

    def __init__(self, source: Source, frames: Frames, wanted: np.ndarray) -> None:
        self._source = source
        self._frames = frames
        self._wanted = [int(each) for each in wanted]
        self._asked = frozenset(self._wanted)
        self._lock = threading.Lock()
        self._container: InputContainer | None = None
        self._shown = _NEVER  # time of the last frame handed out
        #: Width of a pixel divided by its height; known once a frame was read.
        self.pixel_shape = Fraction(1)

    def frame(self, place: int) -> VideoFrame:
        """The frame at a place of `wanted`, or the one shown just before where it is lost.

        Raises:
            InputError: nothing near it can be decoded.
        """
        from av.error import FFmpegError

        with self._lock:
            try:
                found = self._find(place)
            except (FFmpegError, ValueError, MemoryError) as error:
                self.close()
                raise self._lost(place) from error
            except GemcliError:
                self.close()
                raise
            if place == len(self._wanted) - 1:
                self.close()
            return found

    def close(self) -> None:
        """Give back the decoder and the file; the next call opens them again."""
        if self._container is not None:
            self._container.close()
        self._container = None

    def _find(self, place: int) -> VideoFrame:
        target = self._wanted[place]
        key = self._key(target)
        if self._container is None or self._drained or target <= self._shown or self._saves(key):
            self._jump(target, key)
        after = self._wanted[place + 1] if place + 1 < len(self._wanted) else None
        jumps_next = after is None or (
            (start := self._key(after)) is not None and self._count(target, start) > _JUMP
        )
        return self._decode(place, target, jumps_next)

    def _open(self) -> None:
        """Open the file at its start."""
        import av

        self.close()
        self._container = open_media(self._source)
        stream = self._container.streams[self._frames.stream]
        assert isinstance(stream, av.VideoStream)
        prepare(stream)
        self._stream: VideoStream = stream
        self._context = stream.codec_context
        self.pixel_shape = stream.sample_aspect_ratio or Fraction(1)
        self._restart()

    def _restart(self) -> None:
        assert self._container is not None
        self._packets: Iterator[Packet] = self._container.demux(self._stream)
        self._ready: deque[VideoFrame] = deque()
        self._drained = False
        self._fed = _NEVER  # time of the last packet given to the decoder

    def _key(self, target: int) -> int | None:
        """The last time up to `target` at which decoding can begin; None where the file does not say."""
        keys = self._frames.keys
        place = int(np.searchsorted(keys, target, "right"))
        return int(keys[place - 1]) if place else None

    def _count(self, first: int, last: int) -> int:
        """Frames from one time to another."""
        return int(np.searchsorted(self._frames.pts, last) - np.searchsorted(self._frames.pts, first))

    def _saves(self, key: int | None) -> bool:
        return key is not None and self._count(self._fed, key) > _JUMP

    def _jump(self, target: int, key: int | None) -> None:
        """Put the container before `target`, at the best place from which it can be decoded."""
        from av.error import FFmpegError

        first = int(self._frames.pts[0])
        back = int(_BACK / float(self._frames.unit))
        places = [] if key is None else [key, key - back, key - 6 * back]
        if self._container is None:
            self._open()
            if not any(place > first for place in places):
                return
        assert self._container is not None
        for place in [each for each in places if each > first]:
            try:
                self._container.seek(place, stream=self._stream, backward=True)
            except FFmpegError:
                continue
            self._restart()
            begin = self._first_key()
            if begin is not None and begin <= target:
                return
        self._open()  # anew: not every container can be wound back to its start

    def _first_key(self) -> int | None:
        """Read on to a packet that can be decoded by itself; its time, and it stays the next one."""
        for packet in self._packets:
            stamp = self._stamp(packet)
            if packet.size and packet.is_keyframe and stamp is not None:
                self._packets = itertools.chain([packet], self._packets)
                return stamp
        return None

    def _stamp(self, packet: Packet) -> int | None:
        return packet.pts if self._frames.exact and packet.pts is not None else packet.dts

    def _decode(self, place: int, target: int, jumps_next: bool) -> VideoFrame:
        before: VideoFrame | None = None
        while True:
            while self._ready:
                frame = self._ready.popleft()
                time = _time(frame)
                if time is None or time < target:
                    before = frame
                    continue
                if time > target and before is not None and self._nearer(before, time, target):
                    self._ready.appendleft(frame)
                    frame = before
                return self._hand_out(place, target, frame)
            if self._drained:
                if before is not None:
                    return self._hand_out(place, target, before)
                raise self._lost(place)
            self._feed(target, jumps_next)

    def _nearer(self, before: VideoFrame, after: int, target: int) -> bool:
        time = _time(before)
        return time is not None and target - time <= after - target

    def _hand_out(self, place: int, target: int, frame: VideoFrame) -> VideoFrame:
        self._shown = target
        time = _time(frame)
        if time is not None and abs(time - target) * float(self._frames.unit) > _STANDS_IN:
            raise self._lost(place)
        return frame

    def _feed(self, target: int, jumps_next: bool) -> None:
        """Give the decoder one more packet, or take what it still holds."""
        from av.error import FFmpegError

        packet = next(self._packets, None)
        stamp = None if packet is None else self._stamp(packet)
        try:
            if packet is None or not packet.size:
                self._drain()
                return
            if self._frames.exact:
                self._context.skip_frame = "DEFAULT" if stamp in self._asked else "NONREF"
            self._take(self._context.decode(packet), target)
        except (FFmpegError, ValueError):
            pass  # a damaged packet: the frames around it stand in, or it is said when it is missed
        if stamp is not None:
            self._fed = max(self._fed, stamp)
        if jumps_next and self._frames.exact and stamp == target:
            self._drain()

    def _drain(self) -> None:
        from av.error import FFmpegError

        self._drained = True
        try:
            self._take(self._context.decode(None), _NEVER)
        except (FFmpegError, ValueError):
            return

    def _take(self, frames: Sequence[VideoFrame], target: int) -> None:
        # Of what comes before the target only the last is kept: it may have to stand in.
        for frame in frames:
            time = _time(frame)
            last = _time(self._ready[-1]) if self._ready else None
            if time is not None and time <= target and last is not None and last < target:
                self._ready.pop()
            self._ready.append(frame)

    def _lost(self, place: int) -> InputError:
        seconds = float(self._frames.seconds(np.array([self._wanted[place]]))[0])
        return InputError(
            f"{self._source.name}: the frame at {clock(seconds)} cannot be decoded: it is damaged there",
            "fetch it again, or leave that stretch out: --start, --end",
        )


def _time(frame: VideoFrame) -> int | None:
    return frame.pts if frame.pts is not None else frame.dts
