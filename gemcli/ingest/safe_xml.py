"""XML from strangers: no document type, so no entities and nothing external; bounded depth and size.

Names come as ``w.p``, which `Element.find` takes as well: namespaces of the known vocabularies are given the
prefix that their specifications write, whatever the file itself writes, the transitional and the strict ones
of Office the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element
from xml.parsers import expat

from gemcli.errors import InputError

#: Elements that lie in memory at once at most; about 300 bytes each.
MAX_ELEMENTS = 1_500_000

#: Levels of nesting; a table in a table in a text box takes some tens.
MAX_DEPTH = 200

_BLOCK = 1 << 18
_DAMAGED = "fetch it again, or open it in its program and save it anew"
_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"

_VOCABULARIES = {  # the last words of an Office namespace, whose beginning and year differ
    "wordprocessingml/main": "w",
    "spreadsheetml/main": "x",
    "presentationml/main": "p",
    "drawingml/main": "a",
    "drawingml/chart": "c",
    "drawingml/diagram": "dgm",
    "drawingml/picture": "pic",
    "drawingml/wordprocessingDrawing": "wp",
    "officeDocument/math": "m",
    "officeDocument/relationships": "r",
}
_PREFIXES = {
    "http://schemas.openxmlformats.org/markup-compatibility/2006": "mc",
    "http://schemas.openxmlformats.org/package/2006/relationships": "rel",
    "http://schemas.microsoft.com/office/drawing/2014/chartex": "cx",
    "http://schemas.microsoft.com/office/powerpoint/2010/main": "p14",
    "http://schemas.microsoft.com/office/powerpoint/2018/8/main": "p188",
    "urn:schemas-microsoft-com:vml": "v",
    "urn:schemas-microsoft-com:office:office": "o",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://www.w3.org/1999/xlink": "xlink",
    "http://www.w3.org/1998/Math/MathML": "math",
    "http://www.w3.org/XML/1998/namespace": "xml",
    _OASIS + "xsl-fo-compatible:1.0": "fo",
    _OASIS + "svg-compatible:1.0": "svg",
    _OASIS + "drawing:1.0": "draw",
}


def parse(data: bytes, what: str) -> Element:
    """The root of a document.

    Args:
        data: the document.
        what: how it is called in messages: ``deck.pptx: ppt/slides/slide1.xml``.

    Raises:
        InputError: it is no well-formed XML, declares a document type, or passes a bound.
    """
    builder = _Builder(what, None)
    for start in range(0, len(data), _BLOCK):
        builder.feed(data[start : start + _BLOCK])
    return builder.close()


def children(chunks: Iterable[bytes], parent: str, what: str) -> Iterator[Element]:
    """The elements just inside the outermost `parent`, one after the other; none of them is kept.

    Raises:
        InputError: as `parse`, behind the elements that came before the fault.
    """
    builder = _Builder(what, parent)
    for chunk in chunks:
        try:
            builder.feed(chunk)
        finally:
            yield from builder.take()
    builder.close()
    yield from builder.take()


class _Builder:
    """Builds elements from expat's events; those inside `parent` are handed on instead of kept."""

    def __init__(self, what: str, parent: str | None) -> None:
        self._what = what
        self._parent = parent
        self._keeper: Element | None = None
        self._root: Element | None = None
        self._stack: list[Element] = []
        self._pieces: list[str] = []
        self._done: list[Element] = []
        self._count = 0
        self._names: dict[str, str] = {}
        self._parser = parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._pieces.append

    def feed(self, data: bytes) -> None:
        self._parse(data, False)

    def close(self) -> Element:
        self._parse(b"", True)
        assert self._root is not None, "expat refuses a document without a root"
        return self._root

    def take(self) -> list[Element]:
        done, self._done = self._done, []
        return done

    def _parse(self, data: bytes, final: bool) -> None:
        try:
            self._parser.Parse(data, final)
        except (expat.ExpatError, ValueError, LookupError) as error:  # the last two: unknown encodings
            raise InputError(f"{self._what} is damaged: {error}", _DAMAGED) from None

    def _doctype(self, *_: object) -> None:
        raise InputError(
            f"{self._what} declares a document type, which may define entities: it is not read",
            "save it anew in its program",
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._flush()
        names = self._names
        name = names.get(tag) or self._named(tag)
        element = Element(name, {names.get(key) or self._named(key): attributes[key] for key in attributes})
        stack = self._stack
        if not stack:
            self._root = element
        elif stack[-1] is not self._keeper:
            stack[-1].append(element)
        stack.append(element)
        self._count += 1
        if self._keeper is None and name == self._parent:
            self._keeper = element
        if len(stack) > MAX_DEPTH or self._count > MAX_ELEMENTS:
            what = "nests deeper than any document" if len(stack) > MAX_DEPTH else "holds too many elements"
            raise InputError(f"{self._what} {what}: it is not read", "save it anew, or split it")

    def _end(self, _: str) -> None:
        self._flush()
        element = self._stack.pop()
        if self._stack and self._stack[-1] is self._keeper:
            self._done.append(element)
            if len(self._done) == 1:
                self._count = 0

    def _flush(self) -> None:
        if not self._pieces:
            return
        text = "".join(self._pieces)
        self._pieces.clear()
        if not self._stack:
            return
        top = self._stack[-1]
        if len(top):
            top[-1].tail = (top[-1].tail or "") + text
        else:
            top.text = (top.text or "") + text

    def _named(self, tag: str) -> str:
        space, _, local = tag.rpartition("}")
        if not space:
            name = local
        else:
            name = f"{_prefix(space)}.{local}"
        if len(self._names) < 10_000:
            self._names[tag] = name
        return name


def _prefix(space: str) -> str:
    if space in _PREFIXES:
        return _PREFIXES[space]
    if space.startswith(_OASIS):
        return space[len(_OASIS) :].partition(".")[0]
    if "/ooxml/" in space or "schemas.openxmlformats.org/" in space:
        for words, prefix in _VOCABULARIES.items():
            first, _, last = words.partition("/")
            if space.endswith("/" + last) and f"/{first}/" in space:
                return prefix
    return "?"
