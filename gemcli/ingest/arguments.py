"""Which of the words on the command line is the question and which are files.

``gemcli QUESTION FILES…`` and ``gemcli FILES… QUESTION`` are both understood, so a word is a file when it
names one.  Where that cannot be right, the person is asked, before anything is read or downloaded.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Sequence

from gemcli.errors import InputError, UsageError
from gemcli.ingest.ranges import split_fragment
from gemcli.ingest.source import shown_url

_SUFFIX_AT_END = re.compile(r"[^\s/]\.[A-Za-z][A-Za-z0-9]{0,5}(?:#\S*)?\Z")
_URL = re.compile(r"(?:https?|file)://\S+", re.IGNORECASE)


def is_url(argument: str) -> bool:
    """Whether an argument is a URL."""
    return _URL.fullmatch(argument) is not None


def names_file(argument: str) -> bool:
    """Whether an argument names something to read: a path that is there, ``-``, a URL, a glob that fits."""
    if argument == "-" or is_url(argument) or os.path.lexists(argument):
        return True
    try:
        base, _ = split_fragment(argument)
    except UsageError:
        base = argument.rpartition("#")[0]
    if base == "-" or os.path.lexists(base):
        return True
    if glob.has_magic(base):
        found = glob.iglob(base, recursive=True)  # noqa: PTH207 - pathlib takes no absolute pattern
        return next(found, None) is not None
    return False


def split_question(
    arguments: Sequence[str],
    *,
    is_file: Callable[[str], bool] = names_file,
) -> tuple[str | None, list[str]]:
    """The question, None when there are no words at all, and the files in their order.

    The first word that neither names a file nor looks like a path is the question, one that does not end
    like a file name before one that does.  What only looks like a path stays among the files, so that
    reading them complains about it.

    Args:
        arguments: the words as given, options removed.
        is_file: whether a word names something that is there.

    Raises:
        UsageError: no word can be the question, or it is empty.
        InputError: a second word can neither be a file nor the question.
    """
    if not arguments:
        return None, []
    named = [is_file(word) for word in arguments]
    wordy = [place for place, word in enumerate(arguments) if not named[place] and not looks_like_path(word)]
    if not wordy:
        raise _no_question(arguments, named)
    plain = [place for place in wordy if not _SUFFIX_AT_END.search(arguments[place])] or wordy[:1]
    question = arguments[plain[0]]
    if not question.strip():
        raise UsageError("the question is empty", 'ask something: gemcli "What is this about?" FILES…')
    if len(plain) > 1:
        unquoted = " ".join(arguments[place] for place in plain)
        present = [_quoted(word) for word, there in zip(arguments, named, strict=True) if there]
        raise InputError(
            f"{arguments[plain[1]]}: no such file",
            "if it belongs to the question, quote that: "
            + " ".join(["gemcli", f'"{unquoted}"', *present[:3]]),
        )
    return question, [word for place, word in enumerate(arguments) if place != plain[0]]


def split_example(argument: str) -> tuple[str, str]:
    """File and answer of ``FILE=ANSWER``, where both may hold equals signs: the first part that names a file.

    Raises:
        UsageError: there is no equals sign, or nothing on one side of it.
        InputError: no part names a file.
    """
    shape = 'an example is FILE=ANSWER: --example "invoice-3.pdf=paid"'
    places = [found.start() for found in re.finditer("=", argument)]
    if not places:
        raise UsageError(f"{argument}: there is no answer", shape)
    at = next((place for place in places if names_file(argument[:place])), None)
    if at is None:
        name = argument[: places[0]]
        if not name:
            raise UsageError(f"{argument}: there is no file", shape)
        raise InputError(f"{name}: no such file", shape)
    if not argument[at + 1 :].strip():
        raise UsageError(f"{argument}: there is no answer", shape)
    return argument[:at], argument[at + 1 :]


def looks_like_path(word: str) -> bool:
    """Whether a word that names nothing was meant to: it has a suffix, ``/`` at an end, or is a URL."""
    if not word or any(char.isspace() for char in word):
        return False
    return (
        word.startswith(("/", "./", "../", "~/"))
        or word.endswith(("/", os.sep))
        or is_url(word)
        or _SUFFIX_AT_END.search(word) is not None
    )


def _no_question(arguments: Sequence[str], named: Sequence[bool]) -> UsageError:
    if not all(named):
        what = f"{shown_url(arguments[list(named).index(False)])}: no such file, and there is no question"
    elif len(arguments) == 1:
        what = f"{shown_url(arguments[0])} is a file; what is the question?"
    else:
        what = "every argument is a file; what is the question?"
    files = [_quoted(shown_url(word)) for word in arguments[:3]] + ["…"] * (len(arguments) > 3)
    return UsageError(what, " ".join(['ask one: gemcli "What is this about?"', *files]))


def _quoted(word: str) -> str:
    return f"'{word}'" if any(char.isspace() or char in "*?[#'\"$&;()" for char in word) else word
