"""Documents as values: what ingestion produces and packing consumes.

A `Document` is one source (a file, a URL, stdin) as an ordered tuple of parts.  Every part carries an
`Anchor`, so that whatever the model is shown can be traced back to its page, line or second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where in its document a part stands.  Exactly one kind of place is set, or none.

    Attributes:
        page: page number, from 1 (PDF).
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
    """A run of text."""

    text: str
    anchor: Anchor = Anchor()


Part = Text  # images and audio join when the models that take them do


@dataclass(frozen=True, slots=True)
class Document:
    """One source, read.

    Attributes:
        source: the name shown to the person and the model: a path as given, a URL, or ``stdin``.
        media_type: e.g. ``text/markdown``, ``application/pdf``.
        sha256: hex digest of the source's bytes.
        parts: the content in order.
        warnings: what was lost or guessed while reading, one sentence each.
        meta: small facts for display (title, page count).
    """

    source: str
    media_type: str
    sha256: str
    parts: tuple[Part, ...]
    warnings: tuple[str, ...] = ()
    meta: Mapping[str, object] = field(default_factory=dict)
