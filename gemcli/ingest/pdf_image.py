"""A page of a PDF as a picture, drawn when it is asked for.

The process that draws stays for the next page, until another PDF's page is asked for, or none for a while.
"""

from __future__ import annotations

import atexit
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gemcli.errors import InputError
from gemcli.ingest.pdf_process import Died, Late, PdfProcess
from gemcli.ingest.source import Source
from gemcli.parts import Anchor, Image

if TYPE_CHECKING:
    import PIL.Image

#: Pixels of the longer side: small print on a page of A4 can be read, as it is drawn with 170 dots an inch.
LONG_SIDE = 2000

#: Pixels for a point (1/72 inch) at most: more makes small pages no clearer.
MAX_SCALE = 4.0

#: Seconds that drawing a page may take, and bytes of memory: its pictures are unpacked whole.
DRAW_S = 60.0
DRAW_MEMORY = 768 << 20

_VERSION = 1  # of how pages are drawn


def page_image(source: Source, number: int, size: tuple[float, float], sha256: str) -> Image:
    """Page `number` (from 1) as a part; `size` is the page's in points, `sha256` that of the file."""
    width, height = pixel_size(*size)
    return Image(
        width,
        height,
        partial(_draw, source, number, width, height),
        Anchor(page=number),
        f"{sha256}:page={number}:{width}x{height}:v{_VERSION}",
        role="page",
    )


def picture(source: Source, part: Image) -> Image:
    """A page that was described before, with its pixels found again in the same file."""
    assert part.anchor.page is not None
    return replace(part, pixels=partial(_draw, source, part.anchor.page, part.width, part.height))


def pixel_size(width: float, height: float) -> tuple[int, int]:
    """How large a page of that many points is drawn; whatever it claims, no side exceeds `LONG_SIDE`."""
    longer = max(width, height)
    if not 0 < longer < float("inf"):
        return 1, 1
    scale = min(LONG_SIDE / longer, MAX_SCALE)
    across, down = (max(1, min(LONG_SIDE, round(scale * side))) for side in (width, height))
    return across, down


def _draw(source: Source, number: int, width: int, height: int) -> PIL.Image.Image:
    from PIL import Image as pillow

    answer = _PEN.draw(source, number, width, height)
    return pillow.frombytes("RGB", (width, height), answer["data"], "raw", "BGRX")


class _Pen:
    """The one process that draws, for whichever thread asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._source: Source | None = None
        self._process: PdfProcess | None = None
        atexit.register(self.close)

    def draw(self, source: Source, number: int, width: int, height: int) -> dict[str, Any]:
        """The answer with the picture's bytes.

        Raises:
            InputError: the page cannot be drawn.
        """
        with self._lock:
            fresh = self._process is None or self._source is not source
            try:
                return self._asked(source, number, width, height)
            except Died:
                if fresh:
                    raise self._failed(source, number, "cannot be drawn: it is damaged") from None
            except Late:
                raise self._failed(source, number, f"takes over {DRAW_S:.0f} s to draw") from None
            try:  # it may have ended for want of work
                return self._asked(source, number, width, height)
            except (Died, Late):
                raise self._failed(source, number, "cannot be drawn: it is damaged") from None

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.close()
        self._process = self._source = None

    def _asked(self, source: Source, number: int, width: int, height: int) -> dict[str, Any]:
        if self._process is None or self._source is not source:
            self.close()
            self._process, self._source = PdfProcess(source, memory=DRAW_MEMORY), source
            if "refused" in self._process.answer(DRAW_S):
                raise self._failed(source, number, "cannot be drawn: the file was changed")
        self._process.ask({"render": number, "width": width, "height": height})
        try:
            answer = self._process.answer(DRAW_S)
        except (Died, Late):
            self.close()
            raise
        if "data" not in answer:
            raise self._failed(source, number, "cannot be drawn: it is damaged")
        return answer

    def _failed(self, source: Source, number: int, what: str) -> InputError:
        self.close()
        return InputError(f"{source.name}: page {number} {what}", "leave it out: --pages")


_PEN = _Pen()
