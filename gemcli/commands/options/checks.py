"""What a flag's value must be, and how a repeatable flag reads its variable."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import typer

LISTED: list[str] = []
"""Names of the parameters whose variable `listed` reads."""


def bounded(
    low: float, high: float = math.inf, *, above: bool = False
) -> Callable[[float | None], float | None]:
    """A check that a number lies in low … high; `above` leaves `low` itself out."""

    def check(value: float | None) -> float | None:
        inside = value is None or ((low < value if above else low <= value) and value <= high)
        if inside and value != math.inf:
            return value
        least = f"above {low:g}" if above else f"{low:g} or more"
        most = "" if high == math.inf else f" and {high:g} at most"
        raise typer.BadParameter(f"{value:g} is out of range: it must be {least}{most}")

    return check


def listed(variable: str, separator: str | None) -> Callable[[typer.Context, list[str] | None], list[str]]:
    """A repeatable flag whose variable holds one value, or several joined by `separator`.

    Splitting at white space, the parser's own habit, would break values that hold some.
    """

    name = variable.removeprefix("GEMCLI_").lower()
    LISTED.append(name)

    def read(ctx: typer.Context, value: list[str] | None) -> list[str]:
        given = os.environ.get(variable)
        source = ctx.get_parameter_source(name)
        if given and (source is None or source.name != "COMMANDLINE"):
            return given.split(separator) if separator else [given]
        return value or []

    return read


def time(value: str | None) -> str | None:
    """A check that a value is a time."""
    from gemcli.ingest.times import seconds

    try:
        return value if value is None else str(seconds(value))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
