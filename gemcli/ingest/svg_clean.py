"""SVG made harmless: what it refers to outside itself is taken out, and the words in it are gathered.

The drawing is written anew from what the parser reads, so that nothing reaches the renderer that was not
looked at.  Of a file that is damaged what comes before the damage is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from gemcli.errors import InputError

#: Elements inside one another at most; the renderer goes down with its stack.
MAX_DEPTH = 250

#: Characters of the drawing after its entities are replaced.
MAX_CHARS = 80_000_000

_HARMLESS = re.compile(r"\s*(#|data:image/)", re.IGNORECASE)
_CSS_URL = re.compile(r"""url\(\s*["']?(?!\s*(?:#|data:image/))[^)]*\)|@import[^;]*;?""", re.IGNORECASE)
_WORDS = ("text", "foreignobject")
_BREAKS = ("p", "div", "br", "li", "tr", "h1", "h2", "h3")
_LENGTH = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[+-]?[0-9]{1,2})?)\s*(px|pt|pc|in|cm|mm|q|em|ex)?\s*", re.I)
_PIXELS = {
    "": 1.0,
    "px": 1.0,
    "pt": 4 / 3,
    "pc": 16.0,
    "in": 96.0,
    "cm": 96 / 2.54,
    "mm": 96 / 25.4,
    "q": 96 / 101.6,
    "em": 16.0,
    "ex": 8.0,
}


@dataclass(slots=True)
class Drawing:
    """An SVG, read.

    Attributes:
        xml: the drawing without anything outside itself.
        size: width and height in pixels; None where it does not say.
        title, description: what it says of itself.
        lines: the words in it, an entry a text element.
        blocked: what it refers to outside itself, each once.
        html: whether HTML stands in it.
        damage: where and why it could not be read further; ``""`` where it was.
    """

    xml: str = ""
    size: tuple[float, float] | None = None
    title: str = ""
    description: str = ""
    lines: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    html: bool = False
    damage: str = ""


def clean(data: bytes, name: str) -> Drawing:
    """Read an SVG.

    Raises:
        InputError: it is no SVG, or of absurd make: entities in entities, elements nested too deeply.
    """
    reader = _Reader(name)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.ordered_attributes = False
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.EntityDeclHandler = reader.entity
    drawing = reader.drawing
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError) as error:  # ValueError: an encoding of several bytes
        if "amplification" in str(error):
            raise _grows(name) from None
        drawing.damage = " ".join(str(error).split())
    if not reader.elements:
        raise InputError(
            f"{name} is damaged: it is named as an SVG but is none ({drawing.damage or 'no element'})"
        )
    reader.close()
    drawing.xml = "".join(reader.out)
    return drawing


class _Reader:
    """Writes what it is told by the parser, less what is not harmless."""

    def __init__(self, name: str) -> None:
        self.drawing = Drawing()
        self.out: list[str] = []
        self.elements = 0
        self._name = name
        self._open: list[str] = []
        self._left_out = 0  # depth inside an element that is not written
        self._words: list[str] = []
        self._gathering: str | None = None
        self._chars = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = _local(name)
        if not self._open and local != "svg":
            raise InputError(f"{self._name} is damaged: it is named as an SVG but begins with <{name[:40]}>")
        if len(self._open) >= MAX_DEPTH:
            raise InputError(
                f"{self._name} holds more than {MAX_DEPTH} elements inside one another: it is not drawn"
            )
        if not self._open:
            self.drawing.size = _size(attributes)
        self._open.append(name)
        self.elements += 1
        if self._gathering is None and local in (*_WORDS, "title", "desc"):
            self._gathering, self._words = name, []
        elif local in _BREAKS:
            self._words.append("\n")
        elif local == "tspan" and not {"x", "y", "dy"}.isdisjoint(attributes):
            self._words.append(" ")
        self.drawing.html |= local == "foreignobject"
        if self._left_out or local in ("script", "foreignobject"):
            self._left_out += 1
            return
        kept = "".join(
            f" {key}={quoteattr(value)}"
            for key, value in ((key, self._harmless(local, key, value)) for key, value in attributes.items())
            if value is not None
        )
        self._write(f"<{name}{kept}>")

    def end(self, name: str) -> None:
        self._open.pop()
        if self._gathering == name and _local(name) not in map(_local, self._open):
            self._gathered(_local(name))
        if self._left_out:
            self._left_out -= 1
        else:
            self._write(f"</{name}>")

    def characters(self, text: str) -> None:
        if self._gathering is not None:
            self._words.append(text)
        if not self._left_out:
            if self._open and _local(self._open[-1]) == "style":
                text = self._style(text)
            self._write(escape(text))

    def entity(self, name: str, _parameter: int, value: str | None, *_rest: object) -> None:
        if value is None:
            self._block(f"entity {name}")
        elif "&" in value or "%" in value:
            raise InputError(f"{self._name} defines entities by entities, as a bomb does: it is not drawn")

    def close(self) -> None:
        """Close what the damage left open."""
        while self._open:
            self.end(self._open[-1])

    def _harmless(self, element: str, key: str, value: str) -> str | None:
        """An attribute's value as it may stay; None where it may not."""
        local = _local(key)
        if local == "base":
            return None
        if local in ("href", "src"):
            if _HARMLESS.match(value):
                return value
            if element != "a":  # a link leads somewhere, but shows nothing
                self._block(value)
            return None
        return self._style(value) if "(" in value or "@" in value else value

    def _style(self, text: str) -> str:
        for found in _CSS_URL.findall(text):
            self._block(found)
        return _CSS_URL.sub("none", text)

    def _block(self, what: str) -> None:
        shown = "".join(char for char in what[:60] if char.isprintable())
        if shown not in self.drawing.blocked:
            self.drawing.blocked.append(shown)

    def _gathered(self, local: str) -> None:
        lines = [" ".join(line.split()) for line in "".join(self._words).split("\n")]
        if local != "foreignobject":
            lines = [" ".join(lines).strip()]
        self._gathering = None
        for line in filter(None, lines):
            if local == "title":
                self.drawing.title = self.drawing.title or line
            elif local == "desc":
                self.drawing.description = self.drawing.description or line
            elif not self.drawing.lines or self.drawing.lines[-1] != line:  # HTML, and a text in its place
                self.drawing.lines.append(line)

    def _write(self, piece: str) -> None:
        self._chars += len(piece)
        if self._chars > MAX_CHARS:
            raise _grows(self._name)
        self.out.append(piece)


def _grows(name: str) -> InputError:
    return InputError(f"{name} grows out of all proportion by its entities, as a bomb does: it is not drawn")


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _size(attributes: dict[str, str]) -> tuple[float, float] | None:
    """Width and height in pixels, by the attributes or else the view box."""
    width, height = (_pixels(attributes.get(key, "")) for key in ("width", "height"))
    box = re.findall(r"[-+]?[0-9]*\.?[0-9]+(?:e[-+]?[0-9]+)?", attributes.get("viewBox", ""), re.IGNORECASE)
    if len(box) == 4 and float(box[2]) > 0 and float(box[3]) > 0:
        across, down = float(box[2]), float(box[3])
        if width and not height:
            height = width * down / across
        elif height and not width:
            width = height * across / down
        elif not width:
            width, height = across, down
    return (width, height) if width and height else None


def _pixels(length: str) -> float:
    """A length in pixels; 0 for a share of the page, and for what is none."""
    match = _LENGTH.fullmatch(length)
    return float(match[1]) * _PIXELS[(match[2] or "").lower()] if match else 0.0
