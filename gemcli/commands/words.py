"""Which of the words on the command line is the question, and which are files.

``QUESTION FILES…`` or ``FILES… QUESTION``: the disk decides, and where it cannot, the shape of the words.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from gemcli.errors import UsageError

OTHER_TOOLS = {
    "config": "doctor",
    "download": "pull",
    "help": "--help",
    "info": "doctor",
    "install": "pull",
    "list": "models list",
    "ls": "models list",
    "remove": "models rm",
    "rm": "models rm",
    "run": "ask",
    "show": "models show",
    "status": "doctor",
    "tokens": "plan",
    "version": "--version",
}
"""What people call our commands who know other tools."""


def split(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """(question or None, files) among the words of the command line.

    Raises:
        UsageError: two or more words could be the question.
    """
    others = [word for word in words if not is_source(word)]
    if not others:
        return None, list(words)
    if words[0] == others[0] and not (looks_like_path(words[0]) and len(others) > 1):
        return words[0], list(words[1:])
    asking = [word for word in others if not looks_like_path(word)]
    if len(asking) > 1:
        raise UsageError(
            f"which is the question: {' or '.join(repr(word) for word in asking)}?",
            'The question is one word for the shell: gemcli ask "QUESTION" FILES…',
        )
    if not asking:
        return None, list(words)
    at = list(words).index(asking[0])
    return asking[0], [*words[:at], *words[at + 1 :]]


def split_plan(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """(question or None, files) for ``plan``, which needs no question.

    Only words that can be nothing else are the question: where in doubt it is a file, so that one that is
    missing is said to be missing.
    """
    for at, word in enumerate(words):
        if re.search(r"\s", word) and not re.search(r"\.\w{1,5}(#.*)?$", word) and not is_source(word):
            return word, [*words[:at], *words[at + 1 :]]
    return None, list(words)


def is_source(word: str) -> bool:
    """Whether a word names something to read: stdin, a URL, a file, folder or pattern that is there."""
    if word == "-" or re.match(r"https?://", word):
        return True
    if not word or "\0" in word:
        return False
    if _exists(word) or ("#" in word and _exists(word.rpartition("#")[0])):
        return True
    if not any(mark in word for mark in "*?["):
        return False
    import glob

    return next(glob.iglob(str(Path(word).expanduser()), recursive=True), None) is not None


def looks_like_path(word: str) -> bool:
    """Whether a word that names nothing on the disk was meant as a path."""
    if any(each.isspace() for each in word):
        return False
    return "/" in word or os.sep in word or re.search(r"\w\.[A-Za-z][A-Za-z0-9]{0,4}(#.*)?$", word) is not None


def meant_command(word: str, commands: Sequence[str]) -> str | None:
    """The command that a single word was probably meant to be, or None where it may well be a question."""
    if word in OTHER_TOOLS:
        return OTHER_TOOLS[word]
    close = [name for name in commands if distance(word.lower(), name) <= (1 if len(name) < 5 else 2)]
    return min(close, key=lambda name: distance(word.lower(), name), default=None)


def distance(one: str, other: str) -> int:
    """Typing slips between two words: letters put in, left out, replaced, or two neighbours swapped."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def listed_files(source: str, *, null: bool) -> list[str]:
    """The names in a ``--files-from`` list, ``-`` for stdin.

    Raises:
        InputError: the list cannot be read.
    """
    from gemcli.errors import InputError

    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the list of files {source}: {error.strerror or error}") from error
    names = data.split(b"\0") if null else data.splitlines()
    return [os.fsdecode(name) for name in names if name]


def _exists(word: str) -> bool:
    try:
        return os.path.lexists(os.path.expanduser(word))  # noqa: PTH111, PTH - a question is no path to build
    except (OSError, ValueError):
        return False
