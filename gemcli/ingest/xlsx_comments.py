"""Comments on the cells of an Excel workbook: notes, and the threads of newer programs."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from gemcli.errors import InputError
from gemcli.ingest.cells import Aside, column_number, comment_text
from gemcli.ingest.opc import Package
from gemcli.ingest.xlsx_strings import string_text

_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_THREAD = "tc="  # in place of the author of a note that stands in for a thread


class Comments:
    """The comments of an open workbook, sheet by sheet."""

    def __init__(self, package: Package, main: str) -> None:
        self._package = package
        self._main = main
        self._taken: set[str] = set()
        self._people: dict[str, str] | None = None

    def of(self, sheet: str) -> tuple[list[Aside], list[str]]:
        """The comments on a sheet, which is a part, in the order of its cells; and what was lost of them."""
        lost: list[str] = []
        threads = [
            aside for root in self._roots(sheet, "threadedComment", lost) for aside in self._thread(root)
        ]
        threaded = {(aside.row, aside.column) for aside in threads}
        notes = [
            Aside(*place, text)
            for root in self._roots(sheet, "comments", lost)
            for place, text, stands_in in _notes(root)
            if not (stands_in and place in threaded)
        ]
        return sorted(notes + threads, key=lambda aside: (aside.row, aside.column)), lost

    def _roots(self, sheet: str, kind: str, lost: list[str]) -> list[Element]:
        """Lists of comments; each is read once, however many sheets name it."""
        roots: list[Element] = []
        for part in dict.fromkeys(self._package.related(sheet, kind)):
            if part in self._taken:
                continue
            self._taken.add(part)
            try:
                roots.append(self._package.xml(part))
            except InputError as error:
                lost.append(f"its comments are not read: {error.message}")
        return roots

    def _thread(self, root: Element) -> list[Aside]:
        found: list[Aside] = []
        for item in root.findall("xtc.threadedComment"):
            place = _place(item.get("ref", ""))
            kind = "reply" if item.get("parentId") else "comment"
            if item.get("done") in ("1", "true"):
                kind = "resolved comment"
            text = comment_text(item.findtext("xtc.text") or "", self._person(item.get("personId", "")), kind)
            if place is not None and text:
                found.append(Aside(*place, text))
        return found

    def _person(self, key: str) -> str:
        if self._people is None:
            self._people = {}
            for part in dict.fromkeys(self._package.related(self._main, "person")):
                root = self._package.maybe(part)
                for item in root if root is not None else ():
                    self._people[item.get("id", "")] = item.get("displayName", "")
        return self._people.get(key, "")


def _notes(root: Element) -> list[tuple[tuple[int, int], str, bool]]:
    """(cell, text, whether it stands in for a thread) of each note."""
    authors = {str(at): item.text or "" for at, item in enumerate(root.findall("x.authors/x.author"))}
    found: list[tuple[tuple[int, int], str, bool]] = []
    for item in root.findall("x.commentList/x.comment"):
        place, words = _place(item.get("ref", "")), item.find("x.text")
        author = authors.get(item.get("authorId", ""), "")
        stands_in = author.startswith(_THREAD)
        text = "" if words is None else comment_text(string_text(words), "" if stands_in else author)
        if place is not None and text:
            found.append((place, text, stands_in))
    return found


def _place(name: str) -> tuple[int, int] | None:
    """Row and column of a cell's name."""
    match = _CELL.fullmatch(name)
    return (int(match[2]), column_number(match[1])) if match is not None else None
