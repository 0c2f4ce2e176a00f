"""The patterns of one ``.gitignore`` file, matched against one path at a time.

A pattern is asked about an entry itself, never about what lies above it: a folder that is ignored is not
entered at all, and a pattern that re-includes a folder says nothing about the files in it.

Source: gitignore(5) and Git's wildmatch.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_POSIX = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r"\ \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\ \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


@dataclass(frozen=True, slots=True)
class _Rule:
    regex: re.Pattern[str]
    ignores: bool
    folders_only: bool
    whole_path: bool


class GitIgnore:
    """One ignore file.

    Args:
        lines: its lines, without their ends.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules = [rule for rule in map(_rule, lines) if rule is not None][::-1]

    def verdict(self, path: str, is_folder: bool) -> bool | None:
        """Whether the file ignores (True) or keeps (False) an entry; None when it does not speak of it.

        Args:
            path: relative to the ignore file's folder, with ``/`` between names.
            is_folder: whether the entry is a folder.
        """
        name = path.rpartition("/")[2]
        for rule in self._rules:
            if rule.folders_only and not is_folder:
                continue
            if rule.regex.fullmatch(path if rule.whole_path else name):
                return rule.ignores
        return None


def _rule(line: str) -> _Rule | None:
    pattern = _without_trailing_spaces(line)
    if not pattern or pattern.startswith("#"):
        return None
    ignores = not pattern.startswith("!")
    pattern = pattern if ignores else pattern[1:]
    folders_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    whole_path = "/" in pattern
    regex = _translate(pattern.removeprefix("/"))
    return None if regex is None else _Rule(regex, ignores, folders_only, whole_path)


def _without_trailing_spaces(line: str) -> str:
    """The line less the spaces at its end, of which one that is escaped stays."""
    bare = line.rstrip(" ")
    escapes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if escapes % 2 and len(bare) < len(line) else bare


def _translate(pattern: str) -> re.Pattern[str] | None:
    """Git's wildcards as a regular expression; None for a pattern that matches nothing."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            stars = re.compile(r"\*+").match(pattern, at)
            assert stars is not None
            begins = at == 0 or pattern[at - 1] == "/"
            at = stars.end()
            if len(stars[0]) < 2 or not begins or (at < len(pattern) and pattern[at] != "/"):
                out.append("[^/]*")
            elif at == len(pattern):
                out.append(".*")
            else:
                out.append("(?:.*/)?")
                at += 1
            continue
        if char == "?":
            out.append("[^/]")
        elif char == "[":
            found = _class(pattern, at)
            if found is None:
                return None
            regex, at = found
            out.append(regex)
            continue
        elif char == "\\":
            at += 1
            if at == len(pattern):
                return None
            out.append(re.escape(pattern[at]))
        else:
            out.append(re.escape(char))
        at += 1
    return re.compile("".join(out), re.DOTALL)


def _class(pattern: str, start: int) -> tuple[str, int] | None:
    """A bracket expression and the place behind it; None when it does not end."""
    at = start + 1
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    items: list[str] = []
    previous: str | None = None
    first = True
    while True:
        char = pattern[at : at + 1]
        if not char:
            return None
        if char == "]" and not first:
            break
        first = False
        posix = re.compile(r"\[:([a-z]*):\]").match(pattern, at)
        if posix:
            if posix[1] not in _POSIX:
                return None
            items.append(_POSIX[posix[1]])
            previous = None
            at = posix.end()
            continue
        is_range = char == "-" and previous is not None and pattern[at + 1 : at + 2] not in ("", "]")
        at += is_range
        if pattern[at] == "\\":
            at += 1
            if at == len(pattern):
                return None
        end = pattern[at]
        if is_range and previous is not None:
            if previous <= end:
                items.append(f"{re.escape(previous)}-{re.escape(end)}")
            previous = None
        else:
            items.append(re.escape(end))
            previous = end
        at += 1
    body = "".join(items)
    if negated:
        return f"[^/{body}]", at + 1
    return (f"(?!/)[{body}]" if body else r"(?!)"), at + 1
