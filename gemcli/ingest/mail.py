"""Mail (eml): headers, the message, and what is attached to it, in order, with line anchors.

Text and pictures among the attachments are read; the others are named.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser

from gemcli.errors import InputError, UsageError
from gemcli.ingest.blocks import blocks
from gemcli.ingest.decode import UndecodableError, decode
from gemcli.ingest.embedded import Pictures
from gemcli.ingest.headings import joined
from gemcli.ingest.html import PagePictures, decode_html
from gemcli.ingest.kinds import kind_name
from gemcli.ingest.markup import render
from gemcli.ingest.sniff import sniff_head
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.parts import Anchor, Document, Image, Part, Text

_MAX_BYTES = 256 << 20
_MAX_DEPTH = 8  # messages within messages
_MAX_PARTS = 2_000
_MAX_BOUNDARIES = 10_000
_MAX_MARKS = 200
_MAX_HEADER = 16_384
_AS_TEXT = "read it as text: rename it to .txt"
_CONTENT_HEADER = re.compile(rb"(?:^|\n)content-(?:type|disposition):[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE)
_BOUNDARY = re.compile(rb"boundary\s*=\s*\"?([^\";\s]{1,100})", re.IGNORECASE)
_SHOWN = ("From", "To", "Cc", "Bcc", "Reply-To", "Date", "Subject")
_READ_AS_TEXT = ("application/json", "application/xml", "application/x-yaml", "message/delivery-status")


def read(source: Source, report: Report) -> Document:
    """Read a mail; `report` is not called.

    Raises:
        InputError: it is empty, too large, or nested beyond any mail.
        UsageError: pages or lines are asked for.
    """
    selection = source.selection
    if selection is not None and (selection.exact or selection.unit != "page"):
        raise UsageError(
            f"{source.name} is a mail: no range of it can be asked for", "name it without a range"
        )
    data = source.read()
    if not data.strip():
        raise EmptyError(f"{source.name} is empty")
    if len(data) > _MAX_BYTES:
        raise InputError(
            f"{source.name} holds {len(data):,} bytes: a mail of over {_MAX_BYTES >> 20} MiB is not read",
            "save its attachments and name them",
        )
    sha256 = hashlib.sha256(data).hexdigest()
    message = _parsed(source, data)
    del data  # it may be large
    reader = _Mail()
    reader.message(message, 0)
    if not reader.parts:
        raise EmptyError(f"{source.name} is empty: it has neither headers nor a text")
    meta: dict[str, object] = {"lines": reader.lines, "attachments": reader.attachments}
    subject = _header(message, "Subject")
    if subject:
        meta["title"] = subject
    return Document(
        source.name, "message/rfc822", sha256, tuple(reader.parts), tuple(reader.warnings()), meta
    )


def _parsed(source: Source, data: bytes) -> Message:
    """The tree of a mail.  The parser goes one call deeper for every level of it."""
    if _too_many(data):
        raise InputError(
            f"{source.name} has more parts or longer headers than any mail: it is not read", _AS_TEXT
        )
    start = re.match(rb"From [^\n]*\n", data)  # the line that begins a mail in a mailbox
    try:
        return BytesParser().parsebytes(data[start.end() :] if start else data)
    except RecursionError:
        raise InputError(f"{source.name} is nested deeper than any mail: it is not read", _AS_TEXT) from None
    except Exception as error:  # the parser of the standard library trips over some headers
        raise InputError(
            f"{source.name} is damaged: its headers cannot be read ({error})", _AS_TEXT
        ) from error


def _too_many(data: bytes) -> bool:
    """Whether the parser, whose time grows with the square of some things, would take too long."""
    if any(len(match[0]) > _MAX_HEADER for match in _CONTENT_HEADER.finditer(data)):
        return True
    marks = {match[1] for match in _BOUNDARY.finditer(data)}
    return len(marks) > _MAX_MARKS or sum(data.count(b"\n--" + mark) for mark in marks) > _MAX_BOUNDARIES


@dataclass(slots=True)
class _Mail:
    """A mail on its way to parts; its lines are counted on through all of it.

    Attributes:
        parts: what was read.
        lines: how many lines of text there are so far.
        attachments: how many parts have a name or are marked as attached.
    """

    parts: list[Part] = field(default_factory=list)
    lines: int = 0
    attachments: int = 0
    _count: int = 0
    _left: int = 0
    _unread: list[str] = field(default_factory=list)
    _said: list[str] = field(default_factory=list)
    _pictures: Pictures = field(default_factory=Pictures)

    def message(self, message: Message, depth: int, above: tuple[str, ...] = ()) -> None:
        """Read a mail, or one that is within another."""
        shown = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
        under = (*above, _header(message, "Subject"))
        leaves = list(_leaves(message))
        listed = [f"{name} ({kind_name(_kind(leaf))})" for leaf in leaves if (name := _name(leaf))]
        if listed:
            shown.append("Attachments: " + ", ".join(listed[:100]) + (", …" if len(listed) > 100 else ""))
        self._write("\n".join(shown), under)
        for leaf in leaves:
            self._count += 1
            if self._count > _MAX_PARTS:
                self._left += 1
            else:
                self._leaf(leaf, depth, under)

    def warnings(self) -> list[str]:
        said = [*dict.fromkeys(self._said), *self._pictures.warnings()]
        if self._unread:
            more = f" and {len(self._unread) - 8:,} more" if len(self._unread) > 8 else ""
            said.append(f"attachments not read, save and name them: {', '.join(self._unread[:8])}{more}")
        if self._left:
            said.append(f"parts beyond the first {_MAX_PARTS:,}, not read: {self._left:,}")
        return said

    def _leaf(self, leaf: Message, depth: int, under: tuple[str, ...]) -> None:
        kind, name = _kind(leaf), _name(leaf)
        self.attachments += bool(name)
        inner = [part for part in _payload(leaf) if isinstance(part, Message)]
        if kind in ("message/rfc822", "message/global") and inner:
            if depth >= _MAX_DEPTH:
                self._said.append(f"mails within more than {_MAX_DEPTH} mails are not read")
                return
            for message in inner:
                self._write("--- forwarded message ---", under)
                self.message(message, depth + 1, under)
            return
        data = _bytes(leaf)
        label = name or kind
        if kind.startswith("text/") or kind in _READ_AS_TEXT:
            self._text(data, kind, _charset(leaf), name, under)
        elif kind.startswith("image/"):
            self._image(data, label)
        elif data:
            if kind == "application/octet-stream":  # whatever a program did not know
                found = sniff_head(data[:16_384], name)
                if found.startswith("image/"):
                    self._image(data, label)
                    return
                if found.startswith("text/"):
                    self._text(data, found, _charset(leaf), name, under)
                    return
            self._unread.append(label)
            note = f"[attachment {label}: {kind_name(kind)}, {len(data):,} bytes, not read]"
            self._write(note, under, note=True)

    def _image(self, data: bytes, label: str) -> None:
        image = self._pictures.read(data, label, alt=label)
        if image is not None:
            self._place(image)

    def _place(self, image: Image) -> None:
        line = max(1, self.lines)
        self.parts.append(replace(image, anchor=Anchor(lines=(line, line))))

    def _text(self, data: bytes, kind: str, charset: str, name: str, under: tuple[str, ...]) -> None:
        if not data.strip():
            return
        if name:
            under = (*under, f"Attachment: {name}")
            self._write(f"--- attachment {name} ---", under)
        try:
            decoded = decode_html(data, charset)
        except UndecodableError:
            self._unread.append(name or kind)
            return
        if decoded.warning:
            self._said.append(f"{name or 'a text'} {decoded.warning}")
        if kind != "text/html":
            self._write(decoded.text, under)
            return
        pictures = PagePictures()
        page = render(decoded.text, picture=pictures.find)
        self._said += [*page.warnings, *pictures.warnings()]
        for part in page.parts():
            if isinstance(part, Image):
                self._place(part)
            elif isinstance(part, Text):
                self._write(part.text, (*under, part.heading))

    def _write(self, text: str, under: tuple[str, ...], *, note: bool = False) -> None:
        text = text.strip("\n")
        if not text.strip():
            return
        heading = joined(under)
        for block in blocks(text + "\n\n", self.lines + 1):
            assert block.anchor.lines is not None
            self.parts.append(replace(block, heading=heading, via="note" if note else ""))
            self.lines = block.anchor.lines[1]


def _leaves(message: Message) -> Iterator[Message]:
    """The parts that hold something, in order; of alternatives the one that is read."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        inner = [each for each in _payload(part) if isinstance(each, Message)]
        if not inner or _kind(part).startswith("message/"):
            yield part
        elif _kind(part) == "multipart/alternative":
            waiting.append(_chosen(inner))
        else:
            waiting += reversed(inner)


def _chosen(alternatives: list[Message]) -> Message:
    """The plain text, unless there is none; then the best, which is the last."""
    for part in alternatives:
        if _kind(part) == "text/plain" and _bytes(part).strip():
            return part
    return next((part for part in reversed(alternatives) if _kind(part) != "text/calendar"), alternatives[-1])


def _payload(part: Message) -> list[object]:
    payload = part.get_payload()
    return list(payload) if isinstance(payload, list) else []


def _bytes(part: Message) -> bytes:
    """What a part holds, its transfer encoding undone as far as it can be."""
    try:
        payload = part.get_payload(decode=True)
    except Exception:  # damaged transfer encodings raise what their decoders raise
        payload = None
    return payload if isinstance(payload, bytes) else b""


def _header(message: Message, name: str) -> str:
    """A header as one line; as it was sent where it cannot be understood."""
    values = [str(value) for key, value in message.raw_items() if key.lower() == name.lower()]
    return "; ".join(" ".join(_readable(value).split()) for value in values[:20])


def _readable(value: str) -> str:
    """A header's value with its encoded words (RFC 2047) and its bytes outside of ASCII as letters."""
    raw = value.encode("utf-8", "surrogateescape")
    try:
        value = decode(raw).text if any(byte > 0x7F for byte in raw) else value
    except UndecodableError:
        value = raw.decode("utf-8", "replace")
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        return value


def _kind(part: Message) -> str:
    try:
        return part.get_content_type()
    except Exception:
        return "application/octet-stream"


def _name(part: Message) -> str:
    """The name that a part was sent under; "" for the message itself."""
    try:
        name = part.get_filename() or ""
        attached = part.get_content_disposition() == "attachment"
    except Exception:
        return ""
    name = " ".join(_readable(str(name)).split())
    return name[:200] or ("without a name" if attached else "")


def _charset(part: Message) -> str:
    try:
        return part.get_content_charset() or ""
    except Exception:
        return ""
