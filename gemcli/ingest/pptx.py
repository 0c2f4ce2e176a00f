"""PowerPoint presentations: a slide is a page.

Each slide gives one text: title, texts, tables and the numbers of its charts in the order of reading, then
the speaker's notes and comments; and its pictures behind it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from gemcli.errors import InputError, UsageError
from gemcli.ingest.embedded import Pictures
from gemcli.ingest.opc import Package
from gemcli.ingest.ranges import compact, numbered
from gemcli.ingest.slide import Slide, paragraphs, read_slide
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.ingest.zipped import open_zip
from gemcli.parts import Anchor, Document, Part, Text

_MAIN = "ppt/presentation.xml"
_MAX_PICTURE = 64 << 20
_REPAIR = "fetch it again, or open it in its program and save it anew"


def read(source: Source, report: Report) -> Document:
    """Read the wanted slides; `report` counts slides.

    Raises:
        InputError: it is encrypted, damaged, or no wanted slide can be read.
        UsageError: lines are asked for, or slides that it does not have.
    """
    if source.selection is not None and source.selection.unit != "page":
        raise UsageError(
            f"{source.name} is a presentation: it has slides, not lines", f"write {source.name}#page=3-9"
        )
    sha256 = source.sha256()
    with open_zip(source) as archive:
        package = Package(archive, source.name)
        main = package.main(_MAIN)
        slides = _slides(package, main)
        if not slides:
            raise InputError(f"{source.name} has no slides", _REPAIR)
        wanted = _wanted(source, len(slides))
        found = _Found(package)
        for done, page in enumerate(wanted):
            report(done, len(wanted))
            found.add(page, slides[page - 1])
        report(len(wanted), len(wanted))
        title = _title(package)
        warnings = [*archive.warnings, *found.warnings()]
    if not found.parts:
        if found.damaged:
            raise InputError(f"{source.name} is damaged: no slide of it can be read", _REPAIR)
        if warnings:
            raise InputError(f"{source.name} holds nothing that can be read; {'; '.join(warnings)}")
        raise EmptyError(f"{source.name} is empty: its slides show nothing")
    if source.selection is not None and source.selection.clipped(len(slides)):
        text = source.selection.text
        warnings.append(f"has {len(slides):,} slides: of range {text}, {compact(wanted)} was read")
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=tuple(found.parts),
        warnings=tuple(warnings),
        meta={"pages": len(slides)} | ({"title": title} if title else {}),
    )


@dataclass(slots=True)
class _Found:
    """What the slides gave."""

    package: Package
    parts: list[Part] = field(default_factory=list)
    pictures: Pictures = field(default_factory=Pictures)
    damaged: list[int] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)
    missing: dict[str, list[int]] = field(default_factory=dict)
    pointed: list[int] = field(default_factory=list)
    shown: Counter[str] = field(default_factory=Counter)
    footers: set[str] = field(default_factory=set)

    def add(self, page: int, part: str | None) -> None:
        """Read slide `page`, which is `part`."""
        try:
            if part is None:
                raise InputError("no part")
            root = self.package.xml(part)
        except InputError:
            self.damaged.append(page)
            return
        assert part is not None
        slide = read_slide(self.package, part, root)
        is_hidden = root.get("show") in ("0", "false")
        if is_hidden:
            self.hidden.append(page)
        if slide.pointed:
            self.pointed.append(page)
        for what in slide.missing:
            self.missing.setdefault(what, []).append(page)
        text = self._text(part, slide, is_hidden)
        anchor = Anchor(page=page)
        if text:
            self.parts.append(Text(text, anchor, slide.title))
        for name, alt in slide.pictures:
            self._picture(page, name, alt)

    def _text(self, part: str, slide: Slide, is_hidden: bool) -> str:
        blocks = [f"# {slide.title}"] if slide.title else []
        if is_hidden:
            blocks.append("(hidden slide)")
        blocks += slide.blocks
        for footer in slide.footers:
            if footer and footer not in self.footers:
                self.footers.add(footer)
                blocks.append(footer)
        notes = _notes(self.package, part)
        if notes:
            blocks.append(f"Notes: {notes}")
        blocks += _comments(self.package, part)
        blocks = [block for block in blocks if block.strip()]
        return "\n\n".join(blocks) if blocks != ["(hidden slide)"] else ""

    def _picture(self, page: int, name: str, alt: str) -> None:
        """A picture that comes again, such as a logo, is shown once."""
        self.shown[name] += 1
        if self.shown[name] > 1:
            return
        short = f"{name.rpartition('/')[2]} on slide {page}"
        if name not in self.package.archive:
            self.pictures.damaged.append(short)
            return
        image = self.pictures.read(
            self.package.archive.again(name, _MAX_PICTURE), short, Anchor(page=page), alt
        )
        if image is not None:
            self.parts.append(image)

    def warnings(self) -> list[str]:
        """A sentence for each thing that was not read."""
        said: list[str] = []
        if self.damaged:
            said.append(f"damaged and not read: {_on(self.damaged)}")
        if self.hidden:
            said.append(f"hidden in the show, but read: {_on(self.hidden)}")
        for what, pages in list(self.missing.items())[:10]:
            said.append(f"not read: {what} on {_on(pages)}")
        if len(self.missing) > 10:
            said.append(f"not read: {len(self.missing) - 10:,} more embedded things")
        if self.pointed:
            said.append(f"pictures that are stored elsewhere, not fetched: {_on(self.pointed)}")
        again = sum(count - 1 for count in self.shown.values())
        if again:
            said.append(f"pictures that come again are shown once: {again:,} left out")
        return said + self.pictures.warnings()


def _slides(package: Package, main: str) -> list[str | None]:
    """The slides' parts in the order of the show; None for one that is not there."""
    relations = package.relations(main)
    listed = package.xml(main).findall("p.sldIdLst/p.sldId")
    found = [relations.get(item.get("r.id", "")) for item in listed]
    return [None if relation is None or relation.external else relation.target for relation in found]


def _wanted(source: Source, count: int) -> list[int]:
    if source.selection is None:
        return list(range(1, count + 1))
    spans = source.selection.within(count, source.name)
    return [number for first, last in spans for number in range(first, last + 1)]


def _notes(package: Package, part: str) -> str:
    """The speaker's notes of a slide."""
    texts: list[str] = []
    for name in package.related(part, "notesSlide")[:1]:
        root = package.maybe(name)
        for shape in root.iter("p.sp") if root is not None else ():
            placeholder = shape.find("p.nvSpPr/p.nvPr/p.ph")
            body = shape.find("p.txBody")
            if placeholder is not None and placeholder.get("type") == "body" and body is not None:
                texts.append(paragraphs(body, package.relations(name), is_list=True))
    return "\n".join(filter(None, texts))


def _comments(package: Package, part: str) -> list[str]:
    """Comments on a slide, those of older and of newer programs."""
    texts: list[str] = []
    for name in package.related(part, "comments"):
        root = package.maybe(name)
        for item in root if root is not None else ():
            texts += [text for text in _comment(item) if text]
    return [f"Comment: {text}" for text in texts]


def _comment(item: Element) -> list[str]:
    bodies = [paragraphs(body, {}, is_list=False) for body in item.iter("p188.txBody")]
    return bodies or [" ".join((text.text or "").split()) for text in item.iter("p.text")]


def _title(package: Package) -> str:
    for name in package.related("", "core-properties"):
        root = package.maybe(name)
        if root is not None:
            return " ".join((root.findtext("dc.title") or "").split())
    return ""


def _on(pages: list[int]) -> str:
    return numbered("slide", sorted(set(pages)))
