"""The frames of a video as parts, and as a stream of those that show something new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from gemcli.errors import InputError
from gemcli.ingest.frame_reader import FrameReader
from gemcli.ingest.repeats import Repeats
from gemcli.ingest.source import Report, Source
from gemcli.ingest.survey import Frames
from gemcli.parts import Anchor, Image

if TYPE_CHECKING:
    import PIL.Image
    from av import VideoFrame

#: The longer side of a frame as it is handed on, in pixels.
SIDE = 768

#: A pixel shape beyond this is damage, not anamorphic film.
_FLATTEST = Fraction(1, 4)

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED


class Distinct:
    """The frames of a video that show something new, with their pixels, in the order of time.

    Attributes:
        dropped: frames that looked like the one before.
        damaged: those that could not be decoded.
    """

    def __init__(self, frames: Sequence[Image], report: Report) -> None:
        self._frames = frames
        self._report = report
        self._repeats = Repeats()
        self.damaged: list[Image] = []

    @property
    def dropped(self) -> int:
        """Frames that looked like the one before."""
        return self._repeats.dropped

    def __iter__(self) -> Iterator[tuple[Image, PIL.Image.Image]]:
        total = len(self._frames)
        for done, image in enumerate(self._frames):
            self._report(done, total)
            try:
                pixels = image.pixels()
            except InputError:
                self.damaged.append(image)
                continue
            if self._repeats.is_new(pixels):
                yield image, pixels
        self._report(total, total)


def distinct(frames: Sequence[Image], report: Report) -> Distinct:
    """Stream the frames of one video in their order without near-duplicates; `report` counts frames.

    One frame at a time is decoded.  What was left out is counted in the result.
    """
    return Distinct(frames, report)


def frame_parts(source: Source, frames: Frames, places: np.ndarray, sha256: str) -> list[Image]:
    """The chosen frames as parts, decoded when they are asked for.

    Raises:
        InputError: none of them can be decoded, as far as a few tell.
    """
    wanted = frames.pts[places]
    width, height = _size(source, frames, wanted)
    reader = FrameReader(source, frames, wanted)
    parts = []
    for place, (pts, at) in enumerate(zip(wanted, frames.seconds(wanted), strict=True)):
        seconds = round(max(0.0, float(at)), 3)

        def pixels(place: int = place) -> PIL.Image.Image:
            return _picture(reader.frame(place), reader.pixel_shape)

        key = f"{sha256}:frame:{frames.stream}:{int(pts)}:{SIDE}"
        parts.append(Image(width, height, pixels, Anchor(seconds=(seconds, seconds)), key, role="frame"))
    return parts


def _picture(frame: VideoFrame, pixel_shape: Fraction) -> PIL.Image.Image:
    """A frame as RGB, turned as it is to be seen, with square pixels, `SIDE` on its longer side at most."""
    width, height = _square(frame, pixel_shape)
    scale = min(1.0, SIDE / max(width, height))
    picture = frame.to_image(
        width=max(1, round(width * scale)),
        height=max(1, round(height * scale)),
        interpolation="AREA",
        src_colorspace="ITU709" if _is_untold_hd(frame) else None,
    )
    turned = _turned(frame)
    return picture.rotate(turned, expand=True) if turned else picture


def _size(source: Source, frames: Frames, wanted: np.ndarray) -> tuple[int, int]:
    """Width and height as they are to be seen, from one frame: only a decoded one knows how it is turned."""
    tried = dict.fromkeys((0, len(wanted) // 2, len(wanted) - 1))
    for place in tried:
        reader = FrameReader(source, frames, wanted[place : place + 1])
        try:
            frame = reader.frame(0)
        except InputError:
            if place == list(tried)[-1]:
                raise
            continue
        width, height = _square(frame, reader.pixel_shape)
        return (height, width) if _turned(frame) % 180 else (width, height)
    raise AssertionError("the last one returns or raises")


def _square(frame: VideoFrame, pixel_shape: Fraction) -> tuple[int, int]:
    """Width and height of a frame when its pixels are made square."""
    if not _FLATTEST <= pixel_shape <= 1 / _FLATTEST:
        return frame.width, frame.height
    return max(1, round(frame.width * pixel_shape)), frame.height


def _is_untold_hd(frame: VideoFrame) -> bool:
    """Whether a frame leaves its colour space open and is large: players then take it for BT.709."""
    return int(frame.colorspace) == _UNSPECIFIED and (frame.width >= 1280 or frame.height > 576)


def _turned(frame: VideoFrame) -> int:
    """Degrees counterclockwise by which a frame is to be turned, a multiple of 90."""
    return round(frame.rotation / 90) % 4 * 90
