"""What commands that delete have in common: whom they ask first, and how an age is meant."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from gemcli.errors import UsageError

Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]


def ask_first(question: str) -> None:
    """Go on only where the person agrees.

    Raises:
        UsageError: there is nobody to ask.
        typer.Exit: they did not agree.
    """
    from gemcli.ui import confirm, say

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nothing is deleted unasked, and there is no terminal to ask on", "Add --yes.")
    if not confirm(question):
        say("nothing is deleted")
        raise typer.Exit(1)


def moment_of(age: str) -> float:
    """The moment that ``--older-than`` means, in seconds since 1970.

    Raises:
        UsageError: it is no age.
    """
    from gemcli.age import moment

    try:
        return moment(age, time.time())
    except ValueError as error:
        raise UsageError(f"--older-than: {error}") from None
