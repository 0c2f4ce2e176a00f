"""Notebooks (ipynb): notes, code and what it printed and drew, cell by cell."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gemcli.errors import InputError, UsageError
from gemcli.ingest.blocks import blocks
from gemcli.ingest.decode import UndecodableError, decode
from gemcli.ingest.embedded import Pictures
from gemcli.ingest.headings import Heading, headings, joined
from gemcli.ingest.markup import render
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.parts import Anchor, Document, Part, Text

_MAX_BYTES = 128 << 20
_MAX_CELLS = 100_000
_MAX_PICTURES = 1_000
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_REPAIR = "open it in Jupyter and save it anew, or read it as text: rename it to .txt"


def read(source: Source, report: Report) -> Document:
    """Read a notebook; `report` is not called.

    Raises:
        InputError: it is empty, damaged, or no notebook.
        UsageError: pages or lines are asked for.
    """
    selection = source.selection
    if selection is not None and (selection.exact or selection.unit != "page"):
        raise UsageError(
            f"{source.name} is a notebook: it has cells, no {selection.unit}s", "name it without a range"
        )
    data = source.read()
    if not data.strip():
        raise EmptyError(f"{source.name} is empty")
    book = _loaded(source, data)
    cells = _cells(book)
    if cells is None:
        raise InputError(f"{source.name} is no notebook: it is JSON, but without cells", _REPAIR)
    reader = _Cells(_language(book))
    parts: list[Part] = []
    for number, cell in enumerate(cells[:_MAX_CELLS], 1):
        parts += reader.read(number, cell)
    warnings = reader.warnings()
    if len(cells) > _MAX_CELLS:
        warnings.append(f"has {len(cells):,} cells: the first {_MAX_CELLS:,} were read")
    if not parts:
        raise EmptyError(f"{source.name} is empty: its cells hold nothing")
    meta: dict[str, object] = {"cells": len(cells), "language": reader.language}
    sha256 = hashlib.sha256(data).hexdigest()
    return Document(source.name, "application/x-ipynb+json", sha256, tuple(parts), tuple(warnings), meta)


def _loaded(source: Source, data: bytes) -> Any:
    if len(data) > _MAX_BYTES:
        raise InputError(
            f"{source.name} holds {len(data):,} bytes: over {_MAX_BYTES >> 20} MiB are not read",
            "clear its outputs first: jupyter nbconvert --clear-output --inplace FILE",
        )
    try:
        return json.loads(decode(data).text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}: {error.msg.lower()}"
        raise InputError(f"{source.name} is damaged: it is no valid JSON: {where}", _REPAIR) from None
    except RecursionError:
        raise InputError(f"{source.name} is no notebook: it is nested too deeply", _REPAIR) from None
    except (UndecodableError, ValueError):
        raise InputError(f"{source.name} is damaged: its bytes make no text", _REPAIR) from None


def _cells(book: Any) -> list[Any] | None:
    """The cells of version 4, or of version 3, which has sheets."""
    if not isinstance(book, dict):
        return None
    if isinstance(book.get("cells"), list):
        return book["cells"]
    sheets = book.get("worksheets")
    if not isinstance(sheets, list):
        return None
    kept = [
        sheet["cells"] for sheet in sheets if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)
    ]
    return [cell for cells in kept for cell in cells]


def _language(book: Any) -> str:
    meta = _mapping(book.get("metadata"))
    for key in ("language_info", "kernelspec"):
        said = _mapping(meta.get(key))
        name = said.get("name") if key == "language_info" else said.get("language")
        if isinstance(name, str) and re.fullmatch(r"[\w+#-]{1,20}", name):
            return name.lower()
    return "python"


class _Cells:
    """Cells become parts; the headings of the notes go on from cell to cell."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._pictures = Pictures()
        self._count = 0
        self._path: list[Heading] = []
        self._odd: list[int] = []

    def read(self, number: int, cell: Any) -> list[Part]:
        anchor = Anchor(cell=f"cell {number}")
        if not isinstance(cell, dict):
            self._odd.append(number)
            return []
        kind = cell.get("cell_type")
        said = _text(cell.get("source", cell.get("input")))
        parts: list[Part] = []
        if kind == "code":
            if said.strip():
                parts += self._texts(_fenced(said, self.language), anchor)
            for output in _sequence(cell.get("outputs")):
                parts += self._output(_mapping(output), anchor)
            return parts
        if kind == "heading":  # version 3
            level = cell.get("level")
            said = "#" * (level if isinstance(level, int) and 0 < level < 7 else 1) + " " + said
        if kind in ("markdown", "heading"):
            parts += self._note(said, anchor)
        elif said.strip():
            parts += self._texts(said, anchor)
        for name, kinds in _mapping(cell.get("attachments")).items():
            parts += self._picture(_mapping(kinds), anchor, str(name))
        return parts

    def warnings(self) -> list[str]:
        said = self._pictures.warnings()
        if self._count > _MAX_PICTURES:
            said.append(f"has {self._count:,} pictures: the first {_MAX_PICTURES:,} were read")
        if self._odd:
            shown = ", ".join(map(str, self._odd[:10]))
            said.append(f"damaged cells, not read: {shown}{', …' if len(self._odd) > 10 else ''}")
        return said

    def _note(self, said: str, anchor: Anchor) -> Iterator[Part]:
        """Blocks of a note, each under the headings up to its first line."""
        found = headings(said, "text/markdown")
        ahead = 0
        for block in blocks(said if said.endswith("\n") or not said else said + "\n"):
            assert block.anchor.lines is not None
            lead = block.text[: len(block.text) - len(block.text.lstrip())].count("\n")
            while ahead < len(found) and found[ahead].line <= block.anchor.lines[0] + lead:
                self._under(found[ahead])
                ahead += 1
            if block.text.strip():
                yield Text(block.text, anchor, self._heading())
        for heading in found[ahead:]:
            self._under(heading)

    def _under(self, heading: Heading) -> None:
        while self._path and self._path[-1].level >= heading.level:
            self._path.pop()
        self._path.append(heading)

    def _heading(self) -> str:
        return joined(each.title for each in self._path)

    def _texts(self, text: str, anchor: Anchor) -> list[Part]:
        text = text if text.endswith("\n") else text + "\n"
        return [replace(block, anchor=anchor, heading=self._heading()) for block in blocks(text)]

    def _output(self, output: Mapping[str, Any], anchor: Anchor) -> list[Part]:
        kind = output.get("output_type")
        if kind in ("error", "pyerr"):
            trace = _ANSI.sub("", "\n".join(_text(line) for line in _sequence(output.get("traceback"))))
            short = f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}"
            return self._texts("Error:\n" + _fenced(trace.strip() or short, ""), anchor)
        if kind == "stream":
            said = _overwritten(_ANSI.sub("", _text(output.get("text"))))
            return self._texts("Output:\n" + _fenced(said, ""), anchor) if said.strip() else []
        data = output.get("data")
        shown = _mapping(data) if data is not None else _version_3(output)
        parts = self._picture(shown, anchor, "a picture that the code drew")
        if parts:
            return parts
        for form in ("text/markdown", "text/plain", "text/latex"):
            said = _ANSI.sub("", _text(shown.get(form)))
            if said.strip():
                plain = form == "text/plain"
                return self._texts("Output:\n" + (_fenced(said, "") if plain else said), anchor)
        page = _text(shown.get("text/html"))
        said = render(page).text if page.strip() else ""
        return self._texts("Output:\n" + said, anchor) if said.strip() else []

    def _picture(self, shown: Mapping[str, Any], anchor: Anchor, name: str) -> list[Part]:
        for form in _PICTURES:
            if form not in shown:
                continue
            self._count += 1
            if self._count > _MAX_PICTURES:
                return []
            try:
                data = base64.b64decode(_text(shown[form]))
            except (binascii.Error, ValueError):
                data = b""
            image = self._pictures.read(data, f"{anchor.cell}, {name}", anchor)
            return [image] if image is not None else []
        return []


def _version_3(output: Mapping[str, Any]) -> dict[str, Any]:
    names = {"text": "text/plain", "html": "text/html", "png": "image/png", "jpeg": "image/jpeg"}
    return {names[key]: value for key, value in output.items() if key in names}


def _overwritten(text: str) -> str:
    """Lines of which a progress bar shows only the last state, as a notebook shows them."""
    if "\r" not in text:
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall(r"^ {0,3}(`{3,})", text, re.MULTILINE)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip(chr(10))}\n{fence}\n"


def _text(value: Any) -> str:
    """A text that may be written as a list of its lines."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(piece for piece in value if isinstance(piece, str))
    return ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []
