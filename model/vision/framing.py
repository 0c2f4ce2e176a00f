"""What stands around soft tokens: the markers and text of a picture, the clock of a video's frames.

Text and marked tokens are given apart, since text must be tokenized together with what stands next to it.
Sources: processing_gemma3.py and processing_gemma4.py of transformers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from model.vision.spec import Framing, Marker


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text, to be tokenized with the text on both sides of it."""

    text: str


@dataclass(frozen=True, slots=True)
class Marked:
    """Tokens that stand for themselves: `marker`, `count` times.

    Attributes:
        soft: each is a place for a soft token.
    """

    marker: Marker
    count: int = 1
    soft: bool = False


Piece = Text | Marked


def image(framing: Framing, tokens: int) -> list[Piece]:
    """A picture of this many soft tokens."""
    return _framed(framing, framing.image, tokens, framing.around, framing.around)


def scanned(framing: Framing, tokens: Sequence[int]) -> list[Piece]:
    """A picture and then its crops, with this many soft tokens each; one alone is just a picture."""
    whole, *crops = (image(framing, count) for count in tokens)
    if not crops:
        return whole
    pieces = [Text("Here is the original image "), *whole]
    pieces.append(Text(" and here are some crops to help you see better "))
    for number, crop in enumerate(crops):
        pieces += [Text(" "), *crop] if number else crop
    return pieces


def frame(framing: Framing, tokens: int, seconds: float, *, first: bool) -> list[Piece]:
    """One frame of a video, after the time at which it is shown; `first`: of its video."""
    before = f"{'' if first else ' '}{clock(seconds)} {framing.around}"
    return _framed(framing, framing.frame or framing.image, tokens, before, framing.around)


def video(framing: Framing, frames: Iterable[tuple[int, float]]) -> list[Piece]:
    """All frames of a video, each of (soft tokens, seconds)."""
    return [
        piece
        for number, (tokens, seconds) in enumerate(frames)
        for piece in frame(framing, tokens, seconds, first=number == 0)
    ]


def clock(seconds: float) -> str:
    """Minutes and seconds as ``MM:SS``, rounded down; minutes go on past 59."""
    return f"{int(seconds // 60):02d}:{int(seconds % 60):02d}"


def frame_indices(total: int, wanted: int = 32) -> list[int]:
    """Which of a video's `total` frames to show: `wanted` at even distances, or all where there are fewer.

    Source: `default_sample_indices_fn` of transformers' video_utils.py.
    """
    count = min(wanted, total)
    return [index * total // count for index in range(count)]


def as_text(pieces: Iterable[Piece]) -> str:
    """The text that stands for the pieces, as the reference's processor writes it before it tokenizes."""
    return "".join(
        piece.text if isinstance(piece, Text) else piece.marker.text * piece.count for piece in pieces
    )


def _framed(framing: Framing, soft: Marker, tokens: int, before: str, after: str) -> list[Piece]:
    pieces: list[Piece] = [
        Marked(framing.begin),
        Marked(soft, tokens, soft=True),
        Marked(framing.end),
    ]
    if before:
        pieces.insert(0, Text(before))
    if after:
        pieces.append(Text(after))
    return pieces
