"""How documents are to be read: the person's choices, the same for every file of one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PdfMode = Literal["auto", "text", "images"]


@dataclass(frozen=True, slots=True)
class Wants:
    """What is wanted of the files.

    Attributes:
        pdf: pages as text, as images, or whichever says more about each page.
        start, end: seconds of every recording and video that bound what is read; None for its own ends.
        fps: frames of a video in a second; None for a rate that suits its length.
        max_frames: frames of one video at most; None for a number that suits the model.
        sound: whether a video's sound track is read.
        archive: whether what zip and tar files hold is read.
        offline: whether URLs are refused.
    """

    pdf: PdfMode = "auto"
    start: float | None = None
    end: float | None = None
    fps: float | None = None
    max_frames: int | None = None
    sound: bool = True
    archive: bool = False
    offline: bool = False
