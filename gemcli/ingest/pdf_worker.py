"""The process in which PDFium works: it opens one PDF and answers requests about it, a line of JSON each.

PDFium is C++ fed with strangers' files: it may crash, take all memory or never come back.  In a process of
its own that costs one page.  Memory is bounded here, where the system can do it (Linux); time is watched by
the other side (`pdf_process`), and by an alarm here should that side be gone.

Requests: the opening ``{"path"}``, or ``{"bytes"}`` followed by that many bytes, with ``"memory"``; then
``{"pages": [n, …]}``, ``{"sizes": [n, …]}``, ``{"outline": true}`` or ``{"render": n, "width", "height"}``.
Each page, and each other request, gets one line; that of a picture is followed by its ``"bytes"`` of pixels.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from gemcli.ingest.pdf_form import filled_in, has_xfa, prepare_form
from gemcli.ingest.pdf_look import look
from gemcli.ingest.pdf_outline import outline
from gemcli.ingest.pdf_page import clean, read_page

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

#: Seconds after which a worker ends by itself: nobody asks, or nobody is left to end it.
ALONE_S = 120

#: Words on a page from which on it is text, whatever else is on it.
MANY_WORDS = 250


def main() -> None:
    """Serve requests on standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever the library has to say
    requests = sys.stdin.buffer
    opening = json.loads(requests.readline())
    data = requests.read(opening["bytes"]) if "bytes" in opening else None
    _limit_memory(opening["memory"])
    with suppress(BrokenPipeError):
        _stay()
        document = _opened(opening["path"] if data is None else data, answers)
        for line in requests:
            if document is None:
                break
            _serve(document, json.loads(line), answers)
            _stay()
    os._exit(0)  # nothing is to be tidied up, and a damaged document may hurt when it is closed


def _serve(document: PdfDocument, request: dict[str, Any], answers: BinaryIO) -> None:
    if "outline" in request:
        _say(answers, {"outline": outline(document)})
    if "render" in request:
        _render(document, request["render"] - 1, request["width"], request["height"], answers)
    for number in request.get("sizes", ()):
        _say(answers, {"page": number, **_size(document, number - 1)})
    for number in request.get("pages", ()):
        _stay()
        _say(answers, {"page": number, **_page(document, number - 1)})


def _opened(file: str | bytes, answers: BinaryIO) -> PdfDocument | None:
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        document = pypdfium2.PdfDocument(_openable(file))
        prepare_form(document)
    except pypdfium2.PdfiumError as error:
        refusals = {pdfium.FPDF_ERR_PASSWORD: "password", pdfium.FPDF_ERR_SECURITY: "security"}
        _say(answers, {"refused": refusals.get(error.err_code or 0, "damaged")})
        return None
    title = " ".join(clean(document.get_metadata_value("Title")).split())
    _say(answers, {"pages": len(document), "title": title, "xfa": has_xfa(document)})
    return document


def _openable(file: str | bytes) -> str | bytes | BinaryIO:
    """The path, so that memory stays bounded, unless PDFium cannot spell it."""
    if isinstance(file, bytes):
        return file
    try:
        file.encode("utf-8")
    except UnicodeEncodeError:
        return Path(file).open("rb")
    return file


def _page(document: PdfDocument, index: int) -> dict[str, Any]:
    """What is on a page; ``{"damaged": True}`` where it cannot be loaded."""
    from pypdfium2 import PdfiumError

    try:
        page = document[index]
        try:
            read = read_page(page)
            found: dict[str, Any] = {"text": read.text, "words": read.words, "headings": read.headings}
            found["body"], found["letters"] = read.body, read.letters
            found["filled"] = filled_in(document, page)
            if read.words < MANY_WORDS:
                found["size"] = page.get_size()
                found["shows"], found["graphic"] = look(page, read.boxes)
            return found
        finally:
            page.close()
    except PdfiumError:
        return {"damaged": True}


def _size(document: PdfDocument, index: int) -> dict[str, Any]:
    from pypdfium2 import PdfiumError

    try:
        return {"size": document.get_page_size(index)}
    except PdfiumError:
        return {"damaged": True}


def _render(document: PdfDocument, index: int, width: int, height: int, answers: BinaryIO) -> None:
    import pypdfium2.raw as pdfium
    from pypdfium2 import PdfiumError

    try:
        page = document[index]
    except PdfiumError:
        _say(answers, {"damaged": True})
        return
    stride = width * 4
    pixels = ctypes.create_string_buffer(stride * height)
    bitmap = pdfium.FPDFBitmap_CreateEx(width, height, pdfium.FPDFBitmap_BGRx, pixels, stride)
    if not bitmap:
        raise MemoryError
    pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, 0xFFFFFFFF)
    place = (bitmap, page, 0, 0, width, height, 0, pdfium.FPDF_ANNOT | pdfium.FPDF_RENDER_LIMITEDIMAGECACHE)
    pdfium.FPDF_RenderPageBitmap(*place)
    if document.formenv is not None:
        pdfium.FPDF_FFLDraw(document.formenv, *place)
    pdfium.FPDFBitmap_Destroy(bitmap)
    page.close()
    _say(answers, {"bytes": len(pixels)}, pixels)


def _say(answers: BinaryIO, answer: dict[str, Any], data: Any = b"") -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.write(data)
    answers.flush()


def _limit_memory(size: int) -> None:
    """Let no more than `size` bytes be taken, where the system can do that, and leave no core file."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _stay() -> None:
    """Put off the end of a process that nobody asks."""
    with suppress(AttributeError):  # Windows knows no alarms
        signal.alarm(ALONE_S)
