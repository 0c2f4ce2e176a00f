"""Web pages: their text with line anchors under its headings, and the pictures that are in the page itself.

Nothing that a page refers to is fetched.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import re
from urllib.parse import unquote_to_bytes

from gemcli.errors import UsageError
from gemcli.ingest.blocks import blocks
from gemcli.ingest.decode import Decoded, decode, decode_named
from gemcli.ingest.embedded import Pictures
from gemcli.ingest.headings import Heading, under
from gemcli.ingest.markup import Rendered, render
from gemcli.ingest.markup_lines import HeadingLine
from gemcli.ingest.markup_source import is_xhtml
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.parts import Document, Image, Part
from gemcli.plural import plural

_MAX_PICTURE = 32 << 20  # bytes, as they are written in the page
_MAX_PICTURES = 1_000
_HEAD = 4096

_CHARSET = re.compile(
    rb"<(?:meta|\?xml)\b[^>]*?(?:charset|encoding)\s*=\s*[\"']?\s*([A-Za-z][\w.:-]{1,30})", re.I
)

#: What browsers take a name for (WHATWG Encoding, 4.2), where that is more than the name says.
_WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "iso8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}


def read(source: Source, report: Report) -> Document:
    """Read a web page; `report` is not called.

    Raises:
        InputError: it is empty or no text.
        UsageError: a page range, or lines that its text does not have.
    """
    data = source.read()
    if not data.strip():
        raise EmptyError(f"{source.name} is empty")
    decoded = decode_named(source.name, data, decode_html)
    sha256 = hashlib.sha256(data).hexdigest()
    del data  # it may be large
    pictures = PagePictures()
    head = decoded.text[:_HEAD]
    page = render(decoded.text, picture=pictures.find, is_xml=is_xhtml(head))
    parts = _wanted(source, page)
    if not parts:
        raise EmptyError(f"{source.name} is empty: it shows no text" + _why(page))
    warnings = [decoded.warning] if decoded.warning else []
    return Document(
        source=source.name,
        media_type="text/html",
        sha256=sha256,
        parts=tuple(parts),
        warnings=(*warnings, *page.warnings, *pictures.warnings()),
        meta=_meta(page, decoded.encoding),
    )


def decode_html(data: bytes, declared: str = "") -> Decoded:
    """The text of a page.

    Args:
        data: its bytes.
        declared: the encoding that was sent with it, or "".

    Raises:
        UndecodableError: it is no text.
    """
    if not data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\0" not in data:
        match = _CHARSET.search(data[:_HEAD])
        for name in (declared, match[1].decode("ascii") if match else ""):
            text = _as_browsers_do(data, name)
            if text is not None:
                return text
    return decode(data)


def _as_browsers_do(data: bytes, name: str) -> Decoded | None:
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    encoding = _WIDER.get(codec.name, codec.name)
    if encoding.startswith("utf") or not codec._is_text_encoding:
        return None  # strict UTF-8 is tried anyway; what is read as bytes so far is no UTF-16
    text = data.decode(encoding, "replace")
    lost = text.count("�")
    if lost > 1 + len(text) // 100:
        return None
    warning = f"{lost} characters are not valid {encoding.upper()}; shown as �" if lost else None
    return Decoded(text.replace("\r\n", "\n").replace("\r", "\n"), encoding, warning)


class PagePictures:
    """The pictures that a page carries in itself, as ``data:`` addresses."""

    def __init__(self) -> None:
        self._pictures = Pictures()
        self._seen = 0
        self._left = 0

    def find(self, src: str, alt: str) -> Image | None:
        """The picture of an element, or None."""
        if src[:5].lower() != "data:":
            return None
        if self._seen >= _MAX_PICTURES or len(src) > _MAX_PICTURE:
            self._left += 1
            return None
        self._seen += 1
        kind, _, content = src[5:].partition(",")
        kind = kind.lower()
        if not kind.startswith("image/"):
            return None
        data = unquote_to_bytes(content)
        if kind.endswith(";base64"):
            try:
                data = base64.b64decode(data + b"==")
            except (binascii.Error, ValueError):
                data = b""
        return self._pictures.read(data, alt or f"picture {self._seen}", alt=alt)

    def warnings(self) -> list[str]:
        """What was not read."""
        said = self._pictures.warnings()
        if self._left:
            said.append(f"pictures too many or too large, not read: {self._left:,}")
        return said


def _wanted(source: Source, page: Rendered) -> list[Part]:
    selection = source.selection
    if selection is None or (selection.unit == "page" and not selection.exact):
        return page.parts()
    if selection.unit != "line":
        raise UsageError(
            f"{source.name} is a web page: its text has lines, not pages", f"write {source.name}#line=10-50"
        )
    lines = [line for line in page.lines if isinstance(line, str)]
    found = [
        Heading(number, line.level, line.says)
        for number, line in enumerate(lines, 1)
        if isinstance(line, HeadingLine)
    ]
    parts: list[Part] = []
    for first, last in selection.within(len(lines), source.name):
        text = "".join(f"{line}\n" for line in lines[first - 1 : last])
        parts += under(blocks(text, first), found)
    return parts


def _meta(page: Rendered, encoding: str) -> dict[str, object]:
    meta: dict[str, object] = {"lines": page.text.count("\n"), "encoding": encoding}
    if page.title:
        meta["title"] = page.title
    left_out = _left_out(page)
    if left_out:
        meta["left_out"] = left_out
    return meta


def _left_out(page: Rendered) -> list[str]:
    said: list[str] = []
    if page.navigation:
        said.append(f"{page.navigation} {plural(page.navigation, 'block')} of navigation links")
    if page.hidden:
        said.append(f"{page.hidden} {plural(page.hidden, 'hidden element')}")
    return said


def _why(page: Rendered) -> str:
    return " before its scripts run" if page.title or page.hidden else ""
