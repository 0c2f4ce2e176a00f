"""Words of the command line that may be commands, questions or files: what the disk and their shape say."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
"""What our commands are called in other tools."""


def split_plan(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """(question or None, files) for ``plan``, which needs no question.

    Only a word that can be nothing else is the question: where in doubt it is a file, so that one that is
    missing is said to be missing.
    """
    from gemcli.ingest.arguments import names_file

    for at, word in enumerate(words):
        wordy = re.search(r"\s|[?？]$", word) and not re.search(r"\.\w{1,5}(#.*)?$", word)
        if wordy and not names_file(word):
            return word, [*words[:at], *words[at + 1 :]]
    return None, list(words)


def meant_command(word: str, commands: Sequence[str]) -> str | None:
    """The command that a single word was probably meant to be, or None where it may well be a question."""
    if word in OTHER_TOOLS:
        return OTHER_TOOLS[word]
    slips = {name: distance(word.lower(), name) for name in commands}
    close = [name for name in commands if slips[name] <= (1 if len(name) < 5 else 2)]
    return min(close, key=lambda name: slips[name], default=None)


def distance(one: str, other: str) -> int:
    """Typing slips between two words: letters put in, left out, replaced, or two neighbours swapped.

    The optimal string alignment distance (Damerau 1964, Levenshtein 1966).
    """
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
