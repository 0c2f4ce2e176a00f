"""The headings of documents: those that their handlers know, else the lines that look like headings.

A short line that stands alone is a heading when it is numbered as the next chapter or section would be, or
begins with a word like "Chapter", is underlined, or is set in capitals.  Tables of contents and the heads
that run along the top of every page name chapters too; each chapter counts once, where it begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gemcli.parts import JOINT, Document, Text

_LONGEST = 100  # characters of a heading
_FREE_TEXT = {"text/plain", "application/pdf", "text/x-rst"}
_DATA = {"application/json", "application/x-ndjson", "application/yaml", "application/toml"}

_MARKDOWN = re.compile(r"(#{1,6})\s+(\S.*?)\s*#*\s*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_TEX = re.compile(r"\\(part|chapter|(?:sub)*section)\*?(?:\[[^\]]*\])?\{(.+?)\}")
_TEX_LEVELS = {"part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4}
_UNDERLINE = re.compile(r"([=\-~^*\"#])\1{2,}\s*$")

_WORDS = (
    "chapter|part|appendix|section|article|kapitel|teil|anhang|abschnitt|artikel|chapitre|partie|annexe|"
    "capítulo|capitolo|parte|sección|sezione|глава|часть"
)
_WORDED = re.compile(rf"({_WORDS})\s+(\d{{1,3}}|[IVXLC]{{1,7}}|[A-Z])\b[.:\s–—-]*(.*)$", re.IGNORECASE)
_NUMBERED = re.compile(r"((?:\d{1,3}|[A-Z])(?:\.\d{1,3}){1,4}|\d{1,3})\.?\s+(\S.*)$")
_NAMED = re.compile(
    r"(abstract|preface|foreword|introduction|summary|conclusions?|vorwort|einleitung|zusammenfassung|"
    r"préface|résumé|prefacio|resumen|conclusión|prefazione)$",
    re.IGNORECASE,
)
_LEADERS = re.compile(r"(?:\.\s?){4,}\s*\w*$|(?:\s\.){2,}\s*\w*$|…\s*\w+$")
_PAGE_NUMBER = re.compile(r"\s*(?:\d{1,4}|[ivxlc]{1,7})\s*$")
_RUNNING_NUMBER = re.compile(r"\s+\d{1,4}$")
_COLUMN_NUMBER = re.compile(r"\s{2,}\d{1,4}$")
_PROSE_END = re.compile(r"[.,;:!]$")
_CODE = re.compile(r"<-|[={}<>|]")
_MOST_OF_PAGE = 0.5
_CONTENTS_LINES = 6


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading.

    Attributes:
        document: index of its document.
        part: index of the part that it stands in.
        at: where its line begins in the part's text.
        level: 1 for the outermost.
        title: as it is written, with its number.
    """

    document: int
    part: int
    at: int
    level: int
    title: str


def outline(documents: Sequence[Document]) -> list[Heading]:
    """The headings of documents, in order."""
    found: list[Heading] = []
    for index, document in enumerate(documents):
        texts = [(number, part) for number, part in enumerate(document.parts) if isinstance(part, Text)]
        if any(part.heading for _, part in texts):
            found += _known(index, texts)
        elif document.media_type in ("text/markdown", "text/html") or (
            document.media_type.startswith("application/") and document.media_type not in _FREE_TEXT | _DATA
        ):
            found += _marked(index, texts)
        elif document.media_type == "text/x-tex":
            found += _tex(index, texts)
        elif document.media_type in _FREE_TEXT:
            found += _Guess(index).headings(texts)
    return found


def _known(document: int, parts: Sequence[tuple[int, Text]]) -> Iterator[Heading]:
    """Where the parts' own headings change."""
    before: list[str] = []
    for number, part in parts:
        path = part.heading.split(JOINT) if part.heading else []
        same = next((at for at, (a, b) in enumerate(zip(path, before, strict=False)) if a != b), None)
        first = min(len(path), len(before)) if same is None else same
        for level, title in enumerate(path[first:], first + 1):
            yield Heading(document, number, max(0, part.text.find(title)), level, title)
        before = path


def _marked(document: int, parts: Sequence[tuple[int, Text]]) -> Iterator[Heading]:
    """Markdown's headings; a fence may run across parts."""
    fence = ""
    for number, part in parts:
        for at, line in _lines(part.text):
            if match := _FENCE.match(line):
                fence = "" if fence == match[1] else fence or match[1]
            elif not fence and (match := _MARKDOWN.match(line)):
                yield Heading(document, number, at, len(match[1]), match[2])


def _tex(document: int, parts: Sequence[tuple[int, Text]]) -> Iterator[Heading]:
    for number, part in parts:
        for match in _TEX.finditer(part.text):
            yield Heading(document, number, match.start(), _TEX_LEVELS.get(match[1], 4), match[2])


def _lines(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for line in text.splitlines(keepends=True):
        yield at, line.rstrip()
        at += len(line)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that may be a heading: its number as written, the title behind it, and how sure it looks."""

    at: int
    kind: str
    number: str
    title: str
    text: str


class _Guess:
    """Headings of one document of plain lines."""

    def __init__(self, document: int) -> None:
        self._document = document
        self._seen: set[tuple[str, str]] = set()
        self._chapter: int | None = None

    def headings(self, parts: Sequence[tuple[int, Text]]) -> list[Heading]:
        """All of them, in order."""
        found: list[tuple[Heading, str]] = []
        for number, part in parts:
            lines = list(_lines(part.text))
            candidates = list(_candidates(lines))
            filled = sum(bool(text) for _, text in lines)
            if len(candidates) >= _CONTENTS_LINES and len(candidates) > _MOST_OF_PAGE * filled:
                continue  # a table of contents
            for line in candidates:
                if level := self._level(line):
                    found.append((Heading(self._document, number, line.at, level, line.text), line.kind))
        is_numbered = any(kind in ("worded", "numbered") for _, kind in found)
        return [
            Heading(each.document, each.part, each.at, 2, each.title)
            if kind == "capitals" and is_numbered
            else each
            for each, kind in found
        ]

    def _level(self, line: _Line) -> int:
        """The level of a heading, or 0 where it is none after all: known already, or out of turn."""
        key = (line.number, " ".join(re.findall(r"\w+", line.title.casefold())))
        if key in self._seen:
            return 0
        level = self._in_turn(line)
        if level:
            self._seen.add(key)
        return level

    def _in_turn(self, line: _Line) -> int:
        if line.kind == "numbered":
            numbers = line.number.split(".")
            if not numbers[0].isdecimal():
                return len(numbers)
            major = int(numbers[0])
            if self._chapter is not None and not self._chapter <= major <= self._chapter + 1:
                return 0
            if len(numbers) == 1 and major == self._chapter:
                return 0
            self._chapter = major
            return len(numbers)
        if line.kind == "worded" and line.number.isdecimal():
            self._chapter = int(line.number)
        return 1


def _candidates(lines: Sequence[tuple[int, str]]) -> Iterator[_Line]:
    """Lines that stand alone and look like headings; those of a table of contents too."""
    filled = [index for index, (_, text) in enumerate(lines) if text]
    if not filled:
        return
    first, last = filled[0], filled[-1]
    for index in filled:
        at, text = lines[index]
        text = text.strip()
        above = lines[index - 1][1] if index > first else ""
        below = lines[index + 1][1] if index < last else ""
        if len(text) > _LONGEST or (above and not _PAGE_NUMBER.match(above)):
            continue
        if below and _UNDERLINE.match(below) and abs(len(below.strip()) - len(text)) <= 2 and len(text) > 2:
            yield _Line(at, "underlined", "", text, text)
            continue
        bare = (_RUNNING_NUMBER if index in (first, last) else _COLUMN_NUMBER).sub("", text)
        if _LEADERS.search(text):
            continue
        if match := _WORDED.match(bare):
            title = match[3].strip()
            if not title and below:  # the title has a line of its own
                title, below = below.strip(), lines[index + 2][1] if index + 2 <= last else ""
                bare = f"{bare.rstrip('.: ')}: {title}"
            if not below and not bare[0].islower() and not _PROSE_END.search(title) and len(bare) <= _LONGEST:
                yield _Line(at, "worded", match[2].upper(), title, " ".join(bare.split()))
        elif below:
            continue
        elif (match := _NUMBERED.match(bare)) and _is_title(match[2]):
            yield _Line(at, "numbered", match[1], match[2], " ".join(bare.split()))
        elif _NAMED.match(bare) or _is_capitals(bare):
            yield _Line(at, "named" if _NAMED.match(bare) else "capitals", "", bare, " ".join(bare.split()))


def _is_title(text: str) -> bool:
    first = next((char for char in text if char.isalnum()), "")
    return (
        first.isalpha()
        and not first.islower()
        and not _PROSE_END.search(text)
        and not _CODE.search(text)
        and re.search(r"[^\W\d_]{2}", text) is not None
    )


def _is_capitals(text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    return (
        len(letters) >= 5
        and text.isupper()
        and len(letters) > 0.7 * len(text.replace(" ", ""))
        and (not _PROSE_END.search(text))
    )
