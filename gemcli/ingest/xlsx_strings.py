"""Strings of an Excel workbook: the shared ones, runs of rich text, characters that are escaped."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from gemcli.ingest.opc import Package
from gemcli.ingest.safe_xml import children

_MAX_STRINGS = 128 << 20
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class Strings:
    """The strings that cells refer to by their number, read when first needed."""

    def __init__(self, package: Package, main: str) -> None:
        self._package = package
        self._part = (package.related(main, "sharedStrings") or [""])[0]
        self._items: list[str] | None = None

    def get(self) -> list[str]:
        """All of them, by their number.

        Raises:
            InputError: they are damaged or too many.
        """
        if self._items is None:
            self._items = []
            if self._part in self._package.archive:
                chunks = self._package.archive.chunks(self._part, _MAX_STRINGS)
                items = children(chunks, "x.sst", self._package.what(self._part))
                self._items = [string_text(item) for item in items]
        return self._items


def string_text(item: Element) -> str:
    """The text of a string item: its runs, without the readings above them."""
    texts = [item.findtext("x.t") or "", *(run.findtext("x.t") or "" for run in item.findall("x.r"))]
    return unescaped("".join(texts))


def unescaped(text: str) -> str:
    """Text with the characters that are written ``_x000D_``."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text
