"""XML from strangers: no document type, so no entities and nothing external; bounded depth and size.

Names come as ``w.p``, which `Element.find` takes as well: namespaces of the known vocabularies are given the
prefix that their specifications write, whatever the file itself writes, the transitional and the strict ones
of Office the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from xml.etree.ElementTree import Element
from xml.parsers import expat

from gemcli.errors import InputError

#: Elements that lie in memory at once at most; about 300 bytes each.
MAX_ELEMENTS = 1_500_000

#: Levels of nesting; a table in a table in a text box takes some tens.
MAX_DEPTH = 200

_BLOCK = 1 << 18
_MAX_TAG = 16 << 20
_MAX_TEXT = 32 << 20
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
    "drawingml/spreadsheetDrawing": "xdr",
    "officeDocument/math": "m",
    "officeDocument/relationships": "r",
}
_PREFIXES = {
    "http://schemas.openxmlformats.org/markup-compatibility/2006": "mc",
    "http://schemas.openxmlformats.org/package/2006/relationships": "rel",
    "http://schemas.microsoft.com/office/drawing/2014/chartex": "cx",
    "http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments": "xtc",
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
    builder = _Builder(what)
    for start in range(0, len(data), _BLOCK):
        builder.feed(data[start : start + _BLOCK])
    return builder.root()


def children(chunks: Iterable[bytes], parent: str, what: str) -> Iterator[Element]:
    """The elements just inside the outermost `parent`, one after the other; none of them is kept.

    Raises:
        InputError: as `parse`, behind the elements that came before the fault.
    """
    for _, element in _handed(_Builder(what, (parent,)), chunks):
        yield element


def members(
    chunks: Iterable[bytes], containers: Collection[str], tags: Collection[str], what: str
) -> Iterator[tuple[Element, Element]]:
    """The elements of some `tags` inside of `containers`, each with the nearest one; none is kept.

    Without `tags` they are those just inside of a container.

    A container has all of its attributes and only those of its other children that came before.

    Raises:
        InputError: as `parse`, behind the elements that came before the fault.
    """
    yield from _handed(_Builder(what, containers, tags, True), chunks)


def _handed(builder: _Builder, chunks: Iterable[bytes]) -> Iterator[tuple[Element, Element]]:
    for chunk in chunks:
        fault: InputError | None = None
        try:
            builder.feed(chunk)
        except InputError as error:
            fault = error
        yield from builder.take()
        if fault is not None:
            raise fault
    builder.finish()
    yield from builder.take()  # expat may put the last of a block off


class Events:
    """An expat parser that refuses document types and pieces too large to be held.

    A subclass sets the handlers of `parser`; texts are appended to `texts`, which it clears.

    Args:
        what: how the document is called in messages.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.texts: list[str] = []
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.CharacterDataHandler = self.texts.append
        self._fed = 0

    def feed(self, data: bytes) -> None:
        """Parse a block.

        Raises:
            InputError: it is no well-formed XML, or one tag or text of it passes a bound.
        """
        self._parse(data, False)
        self._fed += len(data)
        if self._fed - self.parser.CurrentByteIndex > _MAX_TAG or sum(map(len, self.texts)) > _MAX_TEXT:
            raise InputError(f"{self.what} holds a tag or text of many megabytes: it is not read", _DAMAGED)

    def finish(self) -> None:
        """Tell the end.

        Raises:
            InputError: the document is not complete.
        """
        self._parse(b"", True)

    def _parse(self, data: bytes, final: bool) -> None:
        try:
            self.parser.Parse(data, final)
        except (expat.ExpatError, ValueError, LookupError) as error:  # the last two: unknown encodings
            raise InputError(f"{self.what} is damaged: {error}", _DAMAGED) from None

    def _doctype(self, *_: object) -> None:
        raise InputError(
            f"{self.what} declares a document type, which may define entities: it is not read",
            "save it anew in its program",
        )


class _Builder(Events):
    """Builds elements from expat's events.

    With `parents`, what is just inside the first element of such a name is handed on instead of kept; with
    `tags` as well, what has such a name anywhere inside any of them.
    """

    def __init__(
        self, what: str, parents: Collection[str] = (), tags: Collection[str] = (), many: bool = False
    ) -> None:
        super().__init__(what)
        self._parents = parents
        self._many = many
        self._tags = tags
        self._containers: list[Element] = []
        self._open: Element | None = None
        self._root: Element | None = None
        self._stack: list[Element] = []
        self._done: list[tuple[Element, Element]] = []
        self._count = 0
        self._before = 0
        self._names: dict[str, str] = {}
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def root(self) -> Element:
        """The root, behind the end."""
        self.finish()
        assert self._root is not None, "expat refuses a document without a root"
        return self._root

    def take(self) -> list[tuple[Element, Element]]:
        done, self._done = self._done, []
        return done

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._flush()
        names = self._names
        name = names.get(tag) or self._named(tag)
        element = Element(name, {names.get(key) or self._named(key): attributes[key] for key in attributes})
        stack = self._stack
        if not stack:
            self._root = element
        elif self._open is None and self._is_handed_on(name, stack[-1]):
            self._open = element
            self._before = self._count
        else:
            stack[-1].append(element)
        stack.append(element)
        self._count += 1
        if name in self._parents and self._open is None and (self._many or not self._containers):
            self._containers.append(element)
        if len(stack) > MAX_DEPTH or self._count > MAX_ELEMENTS:
            what = "nests deeper than any document" if len(stack) > MAX_DEPTH else "holds too many elements"
            raise InputError(f"{self.what} {what}: it is not read", "save it anew, or split it")

    def _is_handed_on(self, name: str, above: Element) -> bool:
        if not self._containers:
            return False
        return name in self._tags if self._tags else above is self._containers[-1]

    def _end(self, _: str) -> None:
        self._flush()
        element = self._stack.pop()
        if element is self._open:
            self._done.append((self._containers[-1], element))
            self._open = None
            self._count = self._before
        elif self._many and self._containers and element is self._containers[-1]:
            self._containers.pop()

    def _flush(self) -> None:
        if not self.texts:
            return
        text = "".join(self.texts)
        self.texts.clear()
        if not self._stack or (self._containers and self._open is None):
            return  # white space between what is handed on; gathered, it would grow without end
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
        return space[len(_OASIS) :].partition(":")[0]
    if "/ooxml/" in space or "schemas.openxmlformats.org/" in space:
        for words, prefix in _VOCABULARIES.items():
            first, _, last = words.partition("/")
            if space.endswith("/" + last) and f"/{first}/" in space:
                return prefix
    return "?"
