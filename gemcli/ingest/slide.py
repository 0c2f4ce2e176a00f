"""One slide of a PowerPoint presentation: its shapes in the order of reading, as text and pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from gemcli.ingest.charts import chart_text
from gemcli.ingest.formula import formula
from gemcli.ingest.opc import Package, Relation
from gemcli.ingest.pipes import pipe_table

_TITLES = ("title", "ctrTitle")
_FURNITURE = ("sldNum", "dt", "ftr", "hdr")
_BODIES = ("body", "obj", "subTitle", None)
_FAR = 1 << 40
_MEDIA = {"videoFile": "video", "audioFile": "sound", "quickTimeFile": "video", "wavAudioFile": "sound"}

Transform = tuple[float, float, float, float]  # x and y, factor then offset: x' = a·x + b
_SAME: Transform = (1, 0, 1, 0)


@dataclass(slots=True)
class Slide:
    """What a slide shows.

    Attributes:
        title: its title; "" where it has none.
        blocks: texts, tables and charts in the order of reading, without the title.
        pictures: (part's name, what is said of it), in the order of reading.
        footers: texts of footers.
        missing: what it shows and is not read, one phrase each.
        pointed: addresses outside of the file that hold something it shows.
    """

    title: str = ""
    blocks: list[str] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)
    footers: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    pointed: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Shape:
    item: Element
    top: float
    left: float
    height: float
    kind: str | None = None
    is_placeholder: bool = False


def read_slide(package: Package, part: str, root: Element) -> Slide:
    """What the slide `part` with the root element `root` shows."""
    tree = root.find("p.cSld/p.spTree")
    reader = _Reader(package, part)
    if tree is not None:
        for shape in _in_order(list(reader.shapes(tree, _SAME))):
            reader.show(shape)
    return reader.slide


def paragraphs(body: Element, links: dict[str, Relation], *, is_list: bool) -> str:
    """The text of a text body, a line a paragraph; indented and bulleted as far as it says so itself."""
    lines: list[str] = []
    counts: dict[int, int] = {}
    for item in body.findall("a.p"):
        text = "".join(_runs(item, links)).strip()
        properties = item.find("a.pPr")
        level = _int(None if properties is None else properties.get("lvl"), 0)
        if not text:
            continue
        numbered = properties is not None and properties.find("a.buAutoNum") is not None
        plain = properties is not None and properties.find("a.buNone") is not None
        marked = properties is not None and properties.find("a.buChar") is not None
        counts = {at: count for at, count in counts.items() if at < level + numbered}
        mark = ""
        if numbered:
            counts[level] = counts.get(level, 0) + 1
            mark = f"{counts[level]}. "
        elif marked or (is_list and level and not plain):
            mark = "- "
        indent = "  " * min(level, 8) if mark else ""
        lines.append(indent + mark + text.replace("\n", "\n" + indent))
    return "\n".join(lines)


def _runs(item: Element, links: dict[str, Relation]) -> Iterator[str]:
    for child in item:
        if child.tag in ("a.r", "a.fld"):
            text = child.findtext("a.t") or ""
            link = child.find("a.rPr/a.hlinkClick")
            relation = links.get(link.get("r.id", "")) if link is not None else None
            if relation and relation.external and text.strip() and relation.target not in text:
                text = f"[{text}]({relation.target})"
            yield re.sub("[\v\n]", "\n", text)
        elif child.tag == "a.br":
            yield "\n"
        elif child.tag == "mc.AlternateContent":
            for choice in child:
                yield from _runs(choice, links)
                break
        elif child.tag.endswith(".m") or child.tag.startswith("m."):
            yield formula(child)


class _Reader:
    """Walks the shapes of one slide."""

    def __init__(self, package: Package, part: str) -> None:
        self._package = package
        self._part = part
        self._links = package.relations(part)
        self._places = _placeholders(package, part)
        self.slide = Slide()

    def shapes(self, tree: Element, transform: Transform) -> Iterator[_Shape]:
        """The shapes of a group with their places on the slide; groups are taken apart."""
        for item in tree:
            if item.tag == "mc.AlternateContent":
                choice = self._choice(item)
                if choice is not None:
                    yield from self.shapes(choice, transform)
            elif item.tag == "p.grpSp" and not _is_hidden(item):
                yield from self.shapes(item, _inner(item, transform))
            elif item.tag in ("p.sp", "p.pic", "p.graphicFrame") and not _is_hidden(item):
                yield self._placed(item, transform)

    def show(self, shape: _Shape) -> None:
        """Add what a shape shows."""
        item, slide = shape.item, self.slide
        if item.tag == "p.pic":
            self._picture(item)
        elif item.tag == "p.graphicFrame":
            self._frame(item)
        body = item.find("p.txBody")
        if body is not None:
            is_list = shape.is_placeholder and shape.kind in _BODIES
            text = paragraphs(body, self._links, is_list=is_list)
            if shape.kind in _TITLES and not slide.title:
                slide.title = " ".join(text.split())
            elif shape.kind == "ftr":
                slide.footers.append(text)
            elif text and shape.kind not in _FURNITURE:
                slide.blocks.append(text)
        if item.tag == "p.sp":
            blip = item.find("p.spPr/a.blipFill/a.blip")
            if blip is not None:
                self._blip(blip, item)

    def _picture(self, item: Element) -> None:
        media = next((found for found in item.iter() if found.tag.partition(".")[2] in _MEDIA), None)
        if media is not None:
            relation = self._links.get(media.get("r.link") or media.get("r.embed") or "")
            name = relation.target if relation else "unnamed"
            kind = _MEDIA[media.tag.partition(".")[2]]
            self.slide.blocks.append(f"({kind}: {name.rpartition('/')[2] or name})")
            self.slide.missing.append(f"the {kind} {name.rpartition('/')[2] or name}")
        blip = item.find("p.blipFill/a.blip")
        if blip is not None:
            self._blip(blip, item)

    def _blip(self, blip: Element, item: Element) -> None:
        relation = self._links.get(blip.get("r.embed") or blip.get("r.link") or "")
        if relation is None:
            return
        if relation.external:
            self.slide.pointed.append(relation.target)
            return
        about = next((found for found in item.iter("p.cNvPr")), None)
        alt = (about.get("descr") or about.get("title") or "") if about is not None else ""
        self.slide.pictures.append((relation.target, alt))

    def _frame(self, item: Element) -> None:
        slide = self.slide
        table = item.find(".//a.tbl")
        if table is not None:
            slide.blocks.append(self._table(table))
        for tag in ("c.chart", "cx.chart"):
            for chart in item.iter(tag):
                relation = self._links.get(chart.get("r.id", ""))
                root = self._package.maybe(relation.target) if relation else None
                text = chart_text(root) if root is not None else ""
                slide.blocks.append(text or "(a chart without data)")
                if root is None:
                    slide.missing.append("a chart that is damaged or missing")
        for diagram in item.iter("dgm.relIds"):
            relation = self._links.get(diagram.get("r.dm", ""))
            slide.blocks.append(diagram_text(self._package.maybe(relation.target) if relation else None))
        for thing in item.iter("p.oleObj"):
            kind = thing.get("progId") or thing.get("name") or "unknown"
            slide.missing.append(f"an embedded object ({kind})")
            for blip in thing.iter("a.blip"):
                self._blip(blip, item)

    def _table(self, table: Element) -> str:
        rows: list[list[str]] = []
        for row in table.findall("a.tr"):
            cells: list[str] = []
            for cell in row.findall("a.tc"):
                body = cell.find("a.txBody")
                merged = cell.get("hMerge") in ("1", "true") or cell.get("vMerge") in ("1", "true")
                empty = merged or body is None
                cells.append("" if empty or body is None else paragraphs(body, self._links, is_list=False))
            rows.append(cells)
        return pipe_table(rows)

    def _choice(self, item: Element) -> Element | None:
        """The first branch: it is what the newer programs show, and the fallback is a picture of it."""
        choices = [branch for branch in item if branch.tag == "mc.Choice" and len(branch)]
        shown = [branch for branch in choices if any(True for _ in self.shapes(branch, _SAME))]
        return (shown or [branch for branch in item if branch.tag == "mc.Fallback"] or [None])[0]

    def _placed(self, item: Element, transform: Transform) -> _Shape:
        placeholder = next((found for found in item.iter("p.ph")), None)
        frame = item.find("p.spPr/a.xfrm")
        if frame is None:
            frame = item.find("p.xfrm")
        kind = placeholder.get("type") if placeholder is not None else None
        box = _box(frame)
        if box is None and placeholder is not None:
            key = (kind, placeholder.get("idx", "0"))
            box = self._places.get(key) or self._places.get((None, key[1])) or self._places.get((kind, "*"))
            transform = _SAME
        left, top, height = box if box is not None else (0, _FAR, 0)
        a, b, c, d = transform
        return _Shape(item, c * top + d, a * left + b, abs(c) * height, kind, placeholder is not None)


def diagram_text(root: Element | None) -> str:
    """The words of a SmartArt diagram, a line a node."""
    if root is None:
        return ""
    nodes = (point.find("dgm.t") for point in root.iter("dgm.pt"))
    texts = [paragraphs(node, {}, is_list=False) for node in nodes if node is not None]
    return "\n".join(f"- {text}" for text in texts if text)


def _placeholders(package: Package, part: str) -> dict[tuple[str | None, str], tuple[float, float, float]]:
    """Places of the placeholders of the slide's layout and master, which a slide need not repeat."""
    places: dict[tuple[str | None, str], tuple[float, float, float]] = {}
    layouts = package.related(part, "slideLayout")[:1]
    masters = [name for layout in layouts for name in package.related(layout, "slideMaster")[:1]]
    for name in (*layouts, *masters):
        root = package.layout(name)
        for item in root.iter("p.sp") if root is not None else ():
            placeholder = item.find("p.nvSpPr/p.nvPr/p.ph")
            box = _box(item.find("p.spPr/a.xfrm"))
            if placeholder is not None and box is not None:
                kind = placeholder.get("type")
                places.setdefault((kind, placeholder.get("idx", "0")), box)
                places.setdefault((None, placeholder.get("idx", "0")), box)
                places.setdefault((kind, "*"), box)
    return places


def _in_order(shapes: list[_Shape]) -> list[_Shape]:
    """The title first, then rows from top to bottom; within a row from left to right.

    A shape is in the row of the topmost one left when its middle is above that one's bottom.
    """
    first = [shape for shape in shapes if shape.kind in _TITLES]
    rest = sorted((shape for shape in shapes if shape.kind not in _TITLES), key=lambda shape: shape.top)
    while rest:
        bottom = rest[0].top + rest[0].height
        row = [rest[0]] + [shape for shape in rest[1:] if shape.top + shape.height / 2 < bottom]
        if any(shape.height > 3 * max(1, rest[0].height) for shape in row[1:]):
            row = row[:1]
        taken = set(map(id, row))
        first += sorted(row, key=lambda shape: shape.left)
        rest = [shape for shape in rest if id(shape) not in taken]
    return first


def _inner(group: Element, outer: Transform) -> Transform:
    """From the coordinates inside a group to those of the slide."""
    frame = group.find("p.grpSpPr/a.xfrm")
    if frame is None:
        return outer
    x, y, width, height = (*_pair(frame.find("a.off"), "x", "y"), *_pair(frame.find("a.ext"), "cx", "cy"))
    left, top = _pair(frame.find("a.chOff"), "x", "y")
    inner_width, inner_height = _pair(frame.find("a.chExt"), "cx", "cy")
    across = width / inner_width if inner_width else 1.0
    down = height / inner_height if inner_height else 1.0
    a, b, c, d = outer
    return (a * across, a * (x - across * left) + b, c * down, c * (y - down * top) + d)


def _box(frame: Element | None) -> tuple[float, float, float] | None:
    """Left, top and height of a frame."""
    if frame is None or frame.find("a.off") is None:
        return None
    left, top = _pair(frame.find("a.off"), "x", "y")
    return left, top, _pair(frame.find("a.ext"), "cx", "cy")[1]


def _pair(item: Element | None, first: str, second: str) -> tuple[float, float]:
    if item is None:
        return 0.0, 0.0
    return float(_int(item.get(first), 0)), float(_int(item.get(second), 0))


def _is_hidden(item: Element) -> bool:
    about = next((found for found in item.iter("p.cNvPr")), None)
    return about is not None and about.get("hidden") in ("1", "true")


def _int(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"-?[0-9]{1,15}", text) else default
