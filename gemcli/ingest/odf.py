"""OpenDocument texts (odt) and presentations (odp), read from ``content.xml``.

A text has no pages before it is laid out, so its places are lines of the extracted text, as with Word
documents; a slide of a presentation is a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from gemcli.errors import InputError, UsageError
from gemcli.ingest.docx import refuse_range
from gemcli.ingest.embedded import Pictures
from gemcli.ingest.flow import Flow
from gemcli.ingest.odf_content import MAX_XML, Content
from gemcli.ingest.office_blocks import Block, Picture
from gemcli.ingest.ranges import compact
from gemcli.ingest.safe_xml import members, parse
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.ingest.zipped import BoundedZip, open_zip
from gemcli.parts import Anchor, Document, Image, Part, Text

_CONTENT = "content.xml"
_MAX_BODY = 128 << 20
_MAX_PICTURE = 64 << 20


def read(source: Source, report: Report) -> Document:
    """Read a text or a presentation; `report` counts slides.

    Raises:
        InputError: it is encrypted, damaged, or empty.
        UsageError: lines are asked for, pages of a text, or slides that a presentation does not have.
    """
    is_slides = source.media_type.endswith(".presentation")
    if not is_slides:
        refuse_range(source, "an OpenDocument text")
    elif source.selection is not None and source.selection.unit != "page":
        raise UsageError(
            f"{source.name} is a presentation: it has slides, not lines", f"write {source.name}#page=3-9"
        )
    sha256 = source.sha256()
    with open_zip(source) as archive:
        _refuse_encrypted(source, archive)
        reader = _Reader(source, archive)
        parts, meta = reader.slides(report) if is_slides else reader.text()
        warnings = [*archive.warnings, *reader.warnings()]
        title = _title(archive)
    if not parts:
        raise EmptyError(f"{source.name} is empty: it shows nothing")
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=tuple(parts),
        warnings=tuple(warnings),
        meta=meta | ({"title": title} if title else {}),
    )


@dataclass(slots=True)
class _Reader:
    """Reads the content of one document."""

    source: Source
    archive: BoundedZip
    pictures: Pictures = field(default_factory=Pictures)
    said: list[str] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    again: int = 0
    content: Content = field(init=False)

    def __post_init__(self) -> None:
        self.content = Content(self.source.name, self.archive)

    def text(self) -> tuple[list[Part], dict[str, object]]:
        """The parts of a text."""
        flow = Flow()
        for item in self._inside("office.text"):
            for block in self.content.blocks(item):
                if isinstance(block, Block):
                    flow.add(block.text, block.level, tight=block.tight)
                else:
                    flow.picture(lambda anchor, block=block: self._image(block, anchor, ""))
        parts = flow.finish()
        return parts, {"lines": flow.lines}

    def slides(self, report: Report) -> tuple[list[Part], dict[str, object]]:
        """The parts of a presentation's wanted slides."""
        pages = [item for item in self._inside("office.presentation") if item.tag == "draw.page"]
        if not pages:
            return [], {}
        selection = self.source.selection
        spans = [(1, len(pages))] if selection is None else selection.within(len(pages), self.source.name)
        wanted = [number for first, last in spans for number in range(first, last + 1)]
        parts: list[Part] = []
        for done, number in enumerate(wanted):
            report(done, len(wanted))
            parts += self._slide(number, pages[number - 1])
        report(len(wanted), len(wanted))
        if selection is not None and selection.clipped(len(pages)):
            self.said.append(
                f"has {len(pages):,} slides: of range {selection.text}, {compact(wanted)} was read"
            )
        return parts, {"pages": len(pages)}

    def warnings(self) -> list[str]:
        """A sentence for each thing that was not read, or was read in one of several ways."""
        said = list(self.said)
        if self.content.tracked:
            said.append("has tracked changes: it is read as if all of them were accepted")
        if self.content.pointed:
            said.append(f"pictures that are stored elsewhere, not fetched: {self.content.pointed:,}")
        said += [f"not read: {what}" for what in dict.fromkeys(self.content.missing)]
        if self.again:
            said.append(f"pictures that come again are shown once: {self.again:,} left out")
        return said + self.pictures.warnings()

    def _inside(self, body: str) -> Iterator[Element]:
        """What is just inside the body, and the list styles before it are looked at."""
        chunks = self.archive.chunks(_CONTENT, _MAX_BODY)
        containers = ("office.automatic-styles", body)
        seen = 0
        try:
            for parent, item in members(chunks, containers, (), f"{self.source.name}: {_CONTENT}"):
                if parent.tag == body:
                    seen += 1
                    yield item
                elif item.tag == "text.list-style" and item.find("text.list-level-style-number") is not None:
                    self.content.numbered.add(item.get("style.name", ""))
        except InputError as error:
            if not seen:
                raise
            self.said.append(f"is damaged, not read to its end: {error.message}")

    def _slide(self, number: int, page: Element) -> Iterator[Part]:
        anchor = Anchor(page=number)
        title = ""
        blocks: list[str] = []
        notes = ""
        pictures: list[Picture] = []
        for item in sorted(page, key=_place):
            kind = item.get("presentation.class")
            if item.tag == "presentation.notes":
                found = [
                    self.content.plain(frame) for frame in item if frame.get("presentation.class") == "notes"
                ]
                notes = "\n".join(filter(None, found))
                continue
            gathered = list(self.content.drawn(item))
            words = "\n".join(block.text for block in gathered if isinstance(block, Block))
            pictures += [block for block in gathered if isinstance(block, Picture)]
            if kind == "title" and not title:
                title = " ".join(words.split())
            elif words.strip():
                blocks.append(words)
        head = [f"# {title}"] if title else []
        text = "\n\n".join([*head, *blocks, *([f"Notes: {notes}"] if notes else [])])
        if text:
            yield Text(text, anchor, title)
        for picture in pictures:
            image = self._image(picture, anchor, f" on slide {number}")
            if image is not None:
                yield image

    def _image(self, picture: Picture, anchor: Anchor, where: str) -> Image | None:
        if picture.part in self.shown:
            self.again += 1
            return None
        self.shown.add(picture.part)
        name = picture.part.rpartition("/")[2] + where
        if picture.part not in self.archive:
            self.pictures.damaged.append(name)
            return None
        again = self.archive.again(picture.part, _MAX_PICTURE)
        return self.pictures.read(again, name, anchor, picture.alt)


def _refuse_encrypted(source: Source, archive: BoundedZip) -> None:
    """An encrypted OpenDocument file says so in its manifest; its members look like damage."""
    manifest = "META-INF/manifest.xml"
    if manifest in archive and b"encryption-data" in archive.read(manifest, MAX_XML):
        raise InputError(
            f"{source.name} is encrypted: it opens only with a password",
            "take the password off in its program first",
        )


def _title(archive: BoundedZip) -> str:
    if "meta.xml" not in archive:
        return ""
    try:
        root = parse(archive.read("meta.xml", MAX_XML), "meta.xml")
    except InputError:
        return ""
    return " ".join("".join(item.text or "" for item in root.iter("dc.title")).split())


def _place(item: Element) -> tuple[float, float]:
    """Where a shape is on its slide, for the order of reading."""
    return _length(item.get("svg.y")), _length(item.get("svg.x"))


def _length(text: str | None) -> float:
    """``2.54cm`` as a number; units within one slide are the same."""
    digits = (text or "").rstrip("abcdefghijklmnopqrstuvwxyz%")
    try:
        return float(digits) if digits else 1e9
    except ValueError:
        return 1e9
