"""Documents as values: what ingestion produces and packing consumes.

A `Document` is one source (a file, a URL, stdin) as an ordered tuple of parts.  Every part carries an
`Anchor`, so that whatever the model is shown can be traced back to its page, line or second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

#: Between the headings that a text stands under, outermost first.
JOINT = " › "


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where in its document a part stands.  Exactly one kind of place is set, or none.

    Attributes:
        page: number of a page, a slide or a book's chapter file, from 1.
        lines: first and last line, from 1, inclusive (text).
        seconds: start and end in seconds (audio, video).
        cell: sheet and cell range, e.g. ``Sheet1!A1:F20``.
    """

    page: int | None = None
    lines: tuple[int, int] | None = None
    seconds: tuple[float, float] | None = None
    cell: str | None = None

    def label(self) -> str:
        """The place as it is written inside an anchor: ``p.12``, ``L40-58``, ``00:10:05`` or ``""``."""
        if self.page is not None:
            return f"p.{self.page}"
        if self.lines is not None:
            first, last = self.lines
            return f"L{first}" if first == last else f"L{first}-{last}"
        if self.seconds is not None:
            whole = int(self.seconds[0])
            return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
        return self.cell or ""

    def to_json(self) -> dict[str, object]:
        """The anchor as the ``anchor`` object of the contract."""
        if self.page is not None:
            return {"page": self.page}
        if self.lines is not None:
            return {"line": list(self.lines)}
        if self.seconds is not None:
            return {"seconds": list(self.seconds)}
        return {"cell": self.cell} if self.cell else {}


@dataclass(frozen=True, slots=True)
class Text:
    """A run of text.

    Attributes:
        text: what is said.
        anchor: where.
        heading: the headings that it stands under, outermost first, joined by `JOINT`; ``""`` where the
            document has none.  They are found again in the text of an earlier part, or of this one.
        via: how it was made where it is not the document's own text: ``ocr``, ``speech``, or ``note``, which
            says what stood there and could not be read.
    """

    text: str
    anchor: Anchor = Anchor()
    heading: str = ""
    via: Literal["", "ocr", "speech", "note"] = ""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, decoded when it is asked for and never kept.

    Attributes:
        width, height: pixels, as it is to be seen (after rotation).
        pixels: decodes it: an RGB image of that size, or a smaller one of the same shape where the file is
            larger than any model looks at.  Raises `InputError` where it is damaged.  Frames of one video
            are cheap when they are asked for in the order of time.
        anchor: where.
        key: what its pixels depend on, for caches: a hash of the bytes and the place in them.
        alt: what the document itself says of it; may be empty.
        role: a ``page`` of a document drawn as it looks, a ``frame`` of a video, any other ``picture``.
        budget: soft tokens that a model may spend on it at most; None: as many as the model does by itself.
    """

    width: int
    height: int
    pixels: Callable[[], PIL.Image.Image] = field(repr=False, compare=False)
    anchor: Anchor = Anchor()
    key: str = ""
    alt: str = ""
    role: Literal["picture", "page", "frame"] = "picture"
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """Sound, decoded as it is read.

    Attributes:
        seconds: its length.
        samples: yields f32 [n] in -1 … 1, mono, 16 kHz, blocks of half a minute at most, so that any length
            takes the same memory.  Raises `InputError` where nothing can be decoded.
        anchor: its start and end.
        key: what its samples depend on, for caches.
    """

    seconds: float
    samples: Callable[[], Iterator[np.ndarray]] = field(repr=False, compare=False)
    anchor: Anchor = Anchor()
    key: str = ""


Part = Text | Image | Audio


@dataclass(frozen=True, slots=True)
class Document:
    """One source, read.

    Attributes:
        source: the name shown to the person and the model: a path as given, a URL, or ``stdin``.
        media_type: e.g. ``text/markdown``, ``application/pdf``.
        sha256: hex digest of the source's bytes.
        parts: the content in order.
        warnings: what was lost or guessed while reading, one sentence each.
        meta: small facts for display (title, page count, duration); JSON values.
    """

    source: str
    media_type: str
    sha256: str
    parts: tuple[Part, ...]
    warnings: tuple[str, ...] = ()
    meta: Mapping[str, object] = field(default_factory=dict)
