"""What the shells ask for at a key: the names of this moment, without the command line being built.

``gemcli __names models|templates|conversations`` prints a name a line, some with a tab and what it is.  It
says nothing else, whatever is wrong: a shell in the middle of a line is no place for messages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress

WORD = "__names"
"""The first argument that asks for names."""

LISTS = ("models", "templates", "conversations")
_CONVERSATIONS = 50
_WIDE = 60


def answer(arguments: Sequence[str]) -> None:
    """Print the names of a list."""
    with suppress(Exception):
        for name, about in _names(arguments[0] if arguments else ""):
            about = "".join(char if char.isprintable() else " " for char in about)
            line = f"{name}\t{about}" if about else name
            sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()


def _names(kind: str) -> Iterator[tuple[str, str]]:
    if kind == "models":
        from gemcli.hub.store import installed

        for model in installed():
            yield model.name, ""
    elif kind == "templates":
        from gemcli.templates.store import names

        for name in names():
            yield name, ""
    elif kind == "conversations":
        from gemcli.history.look import headings

        for each in headings(None, most=_CONVERSATIONS):
            question = " ".join(each.question.split())
            yield each.id, question[:_WIDE]
