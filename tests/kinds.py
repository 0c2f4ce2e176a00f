"""A small file of every kind that is read, and the table of the README that comes of reading them."""

from __future__ import annotations

import io
import json
import tarfile
import wave
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import clips
import heic
import numpy as np
import office
import soundfile
from PIL import Image as Picture

from gemcli.events import Event
from gemcli.ingest.collect import collect
from gemcli.ingest.wants import Wants
from gemcli.parts import Audio, Document, Image, Text

DATA = Path(__file__).parent / "data"
SOUND = clips.tone(2.0)
CUES = "1\n00:00:01,000 --> 00:00:02,500\nHello there.\n\n2\n00:00:03,000 --> 00:00:04,000\nGoodbye.\n"


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        row: the row of the table that it belongs to.
        name: of the file.
        make: its bytes, or a function that writes it to a path.
        by: what reads it.
    """

    row: str
    name: str
    make: bytes | str | Callable[[Path], object]
    by: str


def _picture(form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    drawn = Picture.fromarray(np.indices((48, 64)).sum(0).astype(np.uint8)).convert("RGB")
    drawn.save(stream, form, **options)
    return stream.getvalue()


def _pages(form: str) -> bytes:
    return _picture(form, save_all=True, append_images=[Picture.new("RGB", (64, 48))])


def _wav(path: Path) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes((SOUND * 32_767).astype("<i2").tobytes())


def _sound(codec: str, rate: int = 16_000) -> Callable[[Path], object]:
    return lambda path: clips.recording(path, np.resize(SOUND, 2 * rate), codec, rate)


def _vorbis(path: Path) -> None:
    soundfile.write(path, SOUND, 16_000, format="OGG", subtype="VORBIS")


def _video(codec: str = "libx264", **options: object) -> Callable[[Path], object]:
    return lambda path: clips.movie(path, range(0, 2000, 100), codec=codec, sound=SOUND, **options)


def _webm(path: Path) -> None:
    """VP9 alone: the writer of clips knows AAC sound only, which WebM does not hold."""
    clips.movie(path, range(0, 2000, 100), codec="libvpx-vp9")


def _epub() -> bytes:
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/><manifest>'
        '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>'
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
        '<rootfile full-path="p.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    return office.packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "p.opf": package,
            "a.xhtml": "<html><body><h1>One</h1><p>It was a dark night.</p></body></html>",
        }
    )


def _notebook() -> str:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title"]},
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {},
            "source": ["1 + 1"],
            "outputs": [
                {
                    "output_type": "execute_result",
                    "execution_count": 1,
                    "metadata": {},
                    "data": {"text/plain": ["2"]},
                }
            ],
        },
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        data = b"Words in an archive.\n"
        member = tarfile.TarInfo("notes.txt")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


_MAIL = (
    "From: a@example.org\nTo: b@example.org\nSubject: Lunch\nDate: Mon, 4 Mar 2024 10:00:00 +0000\n"
    "Content-Type: text/plain; charset=utf-8\n\nAt noon?\n"
)
_SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="40"><text x="4" y="20">Hello</text></svg>'
_PILLOW, _OWN = "Pillow", "own reader"

KINDS: tuple[Kind, ...] = (
    Kind("text, code, logs", "notes.txt", "Plain words.\n", _OWN),
    Kind("text, code, logs", "code.py", "def f():\n    return 1\n", _OWN),
    Kind("text, code, logs", "old.log", "Grüße aus Köln, schöne Tage\n".encode("cp1252") * 9, "chardet"),
    Kind("Markdown", "readme.md", "# Title\n\nWords.\n", _OWN),
    Kind("HTML", "page.html", "<html><body><h1>T</h1><p>Words.</p></body></html>", "selectolax"),
    Kind("PDF", "paper.pdf", (DATA / "json-mapping.pdf").read_bytes(), "pypdfium2"),
    Kind("PDF", "scan.pdf", _picture("PDF"), "pypdfium2"),
    Kind("Word, OpenDocument text", "letter.docx", office.word(), _OWN),
    Kind("Word, OpenDocument text", "letter.odt", office.odt(), _OWN),
    Kind("PowerPoint, OpenDocument slides", "deck.pptx", office.deck(), _OWN),
    Kind("PowerPoint, OpenDocument slides", "deck.odp", office.odp(), _OWN),
    Kind("Excel, OpenDocument sheets", "book.xlsx", office.workbook(), _OWN),
    Kind(
        "Excel, OpenDocument sheets",
        "book.ods",
        office.ods(
            "<table:table-row><table:table-cell><text:p>a</text:p></table:table-cell></table:table-row>"
        ),
        _OWN,
    ),
    Kind("CSV, TSV", "data.csv", "name,age\nAda,36\nAlan,41\n", _OWN),
    Kind("CSV, TSV", "data.tsv", "name\tage\nAda\t36\n", _OWN),
    Kind("EPUB", "novel.epub", _epub(), "selectolax"),
    Kind("Jupyter notebooks", "work.ipynb", _notebook(), _OWN),
    Kind("mail", "mail.eml", _MAIL, "standard library"),
    Kind("JSON, JSON lines", "data.json", '{"a": [1, 2], "b": "words"}', _OWN),
    Kind("JSON, JSON lines", "log.jsonl", '{"a": 1}\n{"a": 2}\n', _OWN),
    Kind("subtitles", "film.srt", CUES, _OWN),
    Kind("subtitles", "film.vtt", "WEBVTT\n\n" + CUES.replace(",", "."), _OWN),
    *(
        Kind("PNG, JPEG, WebP, BMP, AVIF", f"pic.{suffix}", _picture(form), _PILLOW)
        for suffix, form in (
            ("png", "PNG"),
            ("jpg", "JPEG"),
            ("webp", "WEBP"),
            ("bmp", "BMP"),
            ("avif", "AVIF"),
        )
    ),
    Kind("HEIC", "pic.heic", heic.heic(Picture.new("RGB", (64, 64), "navy")), "pi-heif"),
    Kind("SVG", "pic.svg", _SVG, "resvg-py"),
    Kind(
        "TIFF",
        "pages.tiff",
        _pages("TIFF"),
        _PILLOW,
    ),
    Kind(
        "GIF",
        "moving.gif",
        _pages("GIF"),
        _PILLOW,
    ),
    Kind("WAV, MP3, FLAC, Ogg, Opus, M4A, AIFF", "sound.wav", _wav, "PyAV"),
    Kind("WAV, MP3, FLAC, Ogg, Opus, M4A, AIFF", "sound.ogg", _vorbis, "PyAV"),
    *(
        Kind("WAV, MP3, FLAC, Ogg, Opus, M4A, AIFF", f"sound.{suffix}", _sound(codec, rate), "PyAV")
        for suffix, codec, rate in (
            ("mp3", "libmp3lame", 16_000),
            ("flac", "flac", 16_000),
            ("opus", "libopus", 48_000),
            ("m4a", "aac", 16_000),
            ("aiff", "pcm_s16be", 16_000),
        )
    ),
    *(
        Kind("MP4, MKV, WebM, MOV, AVI", f"film.{suffix}", _video(codec), "PyAV")
        for suffix, codec in (("mp4", "libx264"), ("mkv", "libx264"), ("mov", "libx264"), ("avi", "mpeg4"))
    ),
    Kind("MP4, MKV, WebM, MOV, AVI", "film.webm", _webm, "PyAV"),
    Kind(
        "zip, tar (`--archive`)",
        "pack.zip",
        office.packed({"a.txt": "Words in a zip.\n"}),
        "standard library",
    ),
    Kind("zip, tar (`--archive`)", "pack.tar.gz", _tar(), "standard library"),
)


def write(kind: Kind, folder: Path) -> Path:
    """The file of a kind in a folder."""
    path = folder / kind.name
    if callable(kind.make):
        kind.make(path)
    else:
        path.write_bytes(kind.make.encode() if isinstance(kind.make, str) else kind.make)
    return path


def read(path: Path) -> Document:
    """The document of a file."""
    events: list[Event] = []
    (document,) = collect([str(path)], on_event=events.append, stdin="never", wants=Wants(archive=True))
    return document


def table(documents: dict[str, Document]) -> str:
    """The README's table: documents by the name of their kind's file."""
    lines = ["| kind | read by | anchors | what the model receives |", "|---|---|---|---|"]
    for row, kinds in groupby(KINDS, key=lambda kind: kind.row):
        group = list(kinds)
        parts = [part for kind in group for part in documents[kind.name].parts]
        by = ", ".join(dict.fromkeys(kind.by for kind in group))
        lines.append(f"| {row} | {by} | {_anchors(parts)} | {_received(parts)} |")
    return "\n".join(lines)


def _anchors(parts: list[object]) -> str:
    names = {"page": "page", "line": "lines", "seconds": "time", "cell": "cells"}
    assert all(isinstance(part, Text | Image | Audio) for part in parts)
    keys = {key for part in parts for key in part.anchor.to_json()}  # pyright: ignore[reportAttributeAccessIssue]
    return ", ".join(name for key, name in names.items() if key in keys) or "the file"


def _received(parts: list[object]) -> str:
    said = []
    if any(isinstance(part, Text) for part in parts):
        said.append("text")
    if any(isinstance(part, Image) and part.role == "frame" for part in parts):
        said.append("frames, or the text in them")
    if any(isinstance(part, Image) and part.role != "frame" for part in parts):
        said.append("pictures, or the text in them")
    if any(isinstance(part, Audio) for part in parts):
        said.append("sound, or its transcript")
    return "; ".join(said)
