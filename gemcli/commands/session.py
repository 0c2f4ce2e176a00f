"""What `gemcli.main` must know of a running command, so that it can end it properly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import typer

Output = Literal["text", "json", "stream-json"]


@dataclass(slots=True)
class Session:
    """One run of the program.

    Attributes:
        started: when it began, by `time.perf_counter`.
        command: the first word that is a command, once it is known.
        debug: show tracebacks.
        output: the form of stdout; None until the command's flags are parsed.
        printed: what stdout must say of a failure is seen to.
        told: the person has been told of the failure.
    """

    started: float = field(default_factory=perf_counter)
    command: str = ""
    debug: bool = False
    output: Output | None = None
    printed: bool = False
    told: bool = False


def begin(ctx: typer.Context, flags: Mapping[str, Any]) -> Session:
    """The session of the command that begins, which learns of the flags that every command has."""
    session: Session = ctx.obj
    session.debug |= flags["debug"]
    session.output = flags["output_format"]
    if flags["json"] and _rank(ctx, "json") >= _rank(ctx, "output_format"):
        session.output = "json"
    return session


_ORIGINS = ("DEFAULT", "DEFAULT_MAP", "ENVIRONMENT", "COMMANDLINE")
"""Where the value of a flag may be from; each goes before those that stand before it."""


def _rank(ctx: typer.Context, name: str) -> int:
    source = ctx.get_parameter_source(name)
    return 0 if source is None else _ORIGINS.index(source.name)
