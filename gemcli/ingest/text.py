"""Text, Markdown, source code and every other text file, in blocks with line anchors and headings."""

from __future__ import annotations

import hashlib

from gemcli.errors import UsageError
from gemcli.ingest.blocks import blocks, count_lines
from gemcli.ingest.decode import decode_named
from gemcli.ingest.headings import headings, under
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.parts import Document, Text


def read(source: Source, report: Report) -> Document:
    """Read a text file; the parts' texts, one after the other, are the decoded text.

    `report` is not called: it takes no time worth telling.

    Raises:
        InputError: it is empty, or no text in any known encoding.
        UsageError: a page range, or lines that it does not have.
    """
    data = source.read()
    if not data:
        raise EmptyError(f"{source.name} is empty")
    decoded = decode_named(source.name, data)
    sha256 = hashlib.sha256(data).hexdigest()
    del data  # it may be large
    if not decoded.text or decoded.text.isspace():
        raise EmptyError(f"{source.name} is empty: it holds only white space")
    warnings = [decoded.warning] if decoded.warning else []
    lines = count_lines(decoded.text)
    if source.media_type == "text/plain" and source.name.lower().endswith(".pdf"):
        warnings.append("is no PDF in spite of its name; read as text")
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=tuple(under(wanted_blocks(source, decoded.text), headings(decoded.text, source.media_type))),
        warnings=tuple(warnings),
        meta={"lines": lines, "encoding": decoded.encoding},
    )


def wanted_blocks(source: Source, text: str) -> list[Text]:
    """The blocks of a text, or of those of its lines that are wanted.

    Raises:
        UsageError: a page range, or lines that it does not have.
    """
    selection = source.selection
    if selection is None or (selection.unit == "page" and not selection.exact):
        return list(blocks(text))
    if selection.unit != "line":
        raise UsageError(
            f"{source.name} is text: it has lines, not pages",
            f"write {source.name}#line=10-50",
        )
    parts: list[Text] = []
    kept = text.split("\n")
    for first, last in selection.within(count_lines(text), source.name):
        wanted = "\n".join(kept[first - 1 : last])
        ends = last < len(kept)
        parts += blocks(wanted + "\n" if ends else wanted, first)
    return parts
