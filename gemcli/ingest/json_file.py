"""JSON and JSON lines as text with line anchors; what stands in one line is laid out in many first."""

from __future__ import annotations

import hashlib
import json

from gemcli.ingest.blocks import count_lines
from gemcli.ingest.decode import decode_named
from gemcli.ingest.json_layout import lay_out
from gemcli.ingest.ranges import compact
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.ingest.text import wanted_blocks
from gemcli.parts import Document

_LINES = "application/x-ndjson"
_LONG_LINE = 1_000  # characters; a file with a longer line is laid out anew
_MAX_CHECKED = 8 << 20  # characters; checking takes twenty times their memory
_MAX_NAMED = 8


def read(source: Source, report: Report) -> Document:
    """Read JSON or JSON lines; `report` is not called.

    Raises:
        InputError: it is empty, or no text.
        UsageError: a page range, or lines that it does not have.
    """
    data = source.read()
    if not data:
        raise EmptyError(f"{source.name} is empty")
    decoded = decode_named(source.name, data)
    sha256 = hashlib.sha256(data).hexdigest()
    del data  # it may be large
    text = decoded.text
    if not text or text.isspace():
        raise EmptyError(f"{source.name} is empty: it holds only white space")
    fault = None
    is_lines = source.media_type == _LINES
    if not is_lines:
        fault = _fault(text)
        is_lines = fault is not None and "\n" in text.strip() and not _bad_lines(text)
    if is_lines:
        fault = _lines_fault(_bad_lines(text))
    meta: dict[str, object] = {}
    if not is_lines and fault is None and len(max(text.split("\n"), key=len)) > _LONG_LINE:
        text = lay_out(text)
        meta["laid_out"] = "its lines are not the file's: it was written without line breaks"
    meta |= {"lines": count_lines(text), "encoding": decoded.encoding}
    if is_lines:
        meta["records"] = sum(not line.isspace() for line in text.split("\n") if line)
    warnings = [each for each in (decoded.warning, fault) if each]
    parts = wanted_blocks(source, text)
    return Document(source.name, source.media_type, sha256, tuple(parts), tuple(warnings), meta)


def _fault(text: str) -> str | None:
    """What is wrong with a text that should be JSON; very large or deep ones are not looked through."""
    if len(text) > _MAX_CHECKED:
        return None
    try:
        json.loads(text, parse_int=len, parse_float=len)
    except json.JSONDecodeError as error:
        return f"is not valid JSON: line {error.lineno}: {error.msg.lower()}; read as text"
    except RecursionError:
        return None
    return None


def _bad_lines(text: str) -> list[int]:
    bad: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line and not line.isspace() and _fault(line) is not None:
            bad.append(number)
    return bad


def _lines_fault(bad: list[int]) -> str | None:
    if not bad:
        return None
    shown = compact(bad[:_MAX_NAMED]) + (", …" if len(bad) > _MAX_NAMED else "")
    return f"lines that are not valid JSON, read as text: {shown} ({len(bad):,} in all)"
