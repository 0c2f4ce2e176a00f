"""Sound as blocks of samples: any codec to 16 kHz mono, any length in the same memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gemcli.errors import InputError
from gemcli.ingest.media import open_media
from gemcli.ingest.source import Source
from gemcli.ingest.survey import Sound
from gemcli.parts import Anchor, Audio

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler
    from av.container import InputContainer

RATE = 16_000

#: Samples of a block: ten seconds.
BLOCK = 10 * RATE

#: Seconds without sound in the file that are filled with silence, so that what follows keeps its time.
_GAP = 0.1

#: Seconds that are decoded before the wanted start: codecs need some to settle.
_RUN_UP = 0.5


def audio_part(source: Source, sound: Sound, start: float, end: float, sha256: str) -> Audio:
    """A stretch of a sound track as a part.

    Args:
        source, sound: where it is.
        start, end: seconds, within the track.
        sha256: of the source.
    """
    span = (round(start, 3), round(end, 3))

    def samples() -> Iterator[np.ndarray]:
        return _blocks(_samples(source, sound, start, end))

    key = f"{sha256}:sound:{sound.stream}:{span[0]}-{span[1]}"
    return Audio(round(end - start, 3), samples, Anchor(seconds=span), key)


def _blocks(pieces: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The same samples in blocks of `BLOCK`, the last one shorter."""
    held: list[np.ndarray] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        while length >= BLOCK:
            joined = np.concatenate(held)
            yield joined[:BLOCK]
            held, length = [joined[BLOCK:]], length - BLOCK
    if length:
        yield np.concatenate(held)


def _samples(source: Source, sound: Sound, start: float, end: float) -> Iterator[np.ndarray]:
    """f32 pieces from `start` to `end`, silence where the file has a gap.

    Raises:
        InputError: nothing of it can be decoded.
    """
    total = round((end - start) * RATE)
    given = 0  # samples handed out, of `total`
    skip: int | None = None  # samples of what comes next that lie before `start`
    with open_media(source) as container:
        for at, piece in _decoded(container, sound, start):
            place = round((at - start) * RATE)
            if skip is None:
                skip = max(0, -place)
                given_at = max(0, place)
                if given_at:
                    yield from _silence(min(given_at, total))
                    given = min(given_at, total)
            elif place - given > _GAP * RATE and not skip:
                yield from _silence(min(place, total) - given)
                given = min(place, total)
            if skip:
                dropped = min(skip, len(piece))
                piece, skip = piece[dropped:], skip - dropped
            piece = piece[: total - given]
            if len(piece):
                given += len(piece)
                yield piece
            if given >= total:
                return
    if skip is None:
        raise InputError(
            f"{source.name}: nothing of its sound can be decoded, it is damaged",
            "fetch it again, or try to repair it: ffmpeg -i IN OUT.wav",
        )


def _silence(count: int) -> Iterator[np.ndarray]:
    while count > 0:
        yield np.zeros(min(count, BLOCK), np.float32)
        count -= BLOCK


def _decoded(container: InputContainer, sound: Sound, start: float) -> Iterator[tuple[float, np.ndarray]]:
    """(time of its first sample in seconds, samples) of everything from shortly before `start` on."""
    import av
    from av.error import EOFError, FFmpegError

    stream = container.streams[sound.stream]
    assert isinstance(stream, av.AudioStream)
    unit = float(stream.time_base or 1)
    if start > _RUN_UP:
        try:
            container.seek(int((start - _RUN_UP + sound.origin) / unit), stream=stream)
        except FFmpegError:
            container.seek(0)
    tuned = _Tuned()
    cursor = 0.0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            frames = packet.decode()
        except StopIteration:
            break
        except EOFError:
            break
        except (FFmpegError, ValueError):
            continue  # a damaged packet; what it held becomes silence
        for frame in frames:
            if frame.pts is not None:
                cursor = frame.pts * float(frame.time_base or unit) - sound.origin
            for piece in tuned.convert(frame):
                yield cursor, piece
            cursor += frame.samples / (frame.sample_rate or RATE)
    for piece in tuned.convert(None):
        yield cursor, piece


class _Tuned:
    """Frames of any rate and layout to 16 kHz mono; a change in the middle of a stream is followed."""

    def __init__(self) -> None:
        self._shape: tuple[object, ...] = ()
        self._resampler: AudioResampler | None = None

    def convert(self, frame: AudioFrame | None) -> list[np.ndarray]:
        """f32 pieces in -1 … 1; None gives what is left."""
        import av

        found = []
        if frame is not None:
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            if shape != self._shape:
                found += self.convert(None)
                # 32-bit integers: unlike with floats, FFmpeg then mixes channels down without clipping.
                self._resampler = av.AudioResampler("s32", "mono", RATE)
                self._shape = shape
            frame.pts = None
        if self._resampler is not None:
            for each in self._resampler.resample(frame):
                found.append(each.to_ndarray()[0].astype(np.float32) * np.float32(2.0**-31))
        if frame is None:
            self._resampler, self._shape = None, ()
        return found
