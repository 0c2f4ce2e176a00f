"""The command group: what begins with no command is a question; the configuration file sets defaults."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from gemcli.commands import words
from gemcli.commands.options import LISTED
from gemcli.errors import UsageError

DEFAULT = "ask"
OWN_FLAGS = ("--debug", "--version", "--help", "-h")

NOT_A_DEFAULT = ("help", "version", "install-completion", "show-completion")
"""Flags that no configuration file sets."""

ELSEWHERE = ("model", "cache-size")
"""Keys of the configuration file that are read where they are needed: no flag, or one with its own rules."""

GRACE_S = 0.3
"""How long a pipe may take to say something before a lone mistyped command is taken for one."""


class Group(TyperGroup):
    """`TyperGroup` that hands on to ``ask`` what begins with no command."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Name the command where the person left it out; take defaults from the configuration file."""
        args = list(args) or ([DEFAULT] if _piped() else ["--help"])
        at = next((index for index, each in enumerate(args) if each not in OWN_FLAGS), len(args))
        if at < len(args) and args[at] not in self.commands:
            if not args[at].startswith("-"):
                self._refuse_slip(args[at], args[at + 1 :])
            args.insert(at, DEFAULT)
        if at < len(args):
            ctx.obj.command = args[at]
            ctx.default_map = _defaults(self.commands, args[at])
        return super().parse_args(ctx, args)

    def _refuse_slip(self, word: str, others: Sequence[str]) -> None:
        """Raise where a word was meant as a command: asking it would pull a model to answer nonsense."""
        from gemcli.ingest.arguments import names_file

        meant = words.meant_command(word, list(self.commands))
        if meant is None or any(map(names_file, (word, *others))) or _piped():
            return
        raise UsageError(
            f"there is no command {word!r}",
            f"Did you mean `gemcli {meant}`? To ask it as a question: gemcli {DEFAULT} {word!r}",
        )


def _piped() -> bool:
    """Whether something is piped in; a pipe that stays silent is not."""
    from gemcli.ingest import stdin

    kind = stdin.kind()
    if kind == "file":
        return os.fstat(sys.stdin.fileno()).st_size > 0
    if kind != "stream" or os.name != "posix":
        return False
    import fcntl
    import select
    import struct
    import termios

    descriptor = sys.stdin.fileno()
    if not select.select([descriptor], [], [], GRACE_S)[0]:
        return False
    return struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4))[0] > 0


def _defaults(commands: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The configuration file as defaults of a command's parameters, by the command's name.

    The other commands, which take long to build, are asked only about what this one has no flag for.

    Raises:
        UsageError: the file cannot be read, or sets something that no flag is called.
    """
    from gemcli.settings import config_path, load_config

    config = {key.replace("_", "-"): value for key, value in load_config().items()}
    config = {key: value for key, value in config.items() if key not in ELSEWHERE}
    if not config:
        return None
    known: set[str] = set()
    defaults = _of_commands({name: commands[name]}, config, known)
    if not config.keys() <= known:
        _of_commands(commands, config, known)
        known.update(ELSEWHERE)
    for key in config:
        if key not in known:
            import difflib

            close = difflib.get_close_matches(key, known, n=1)
            raise UsageError(
                f"the configuration file {config_path()} sets {key!r}, but no flag is called --{key}",
                f"Did you mean {close[0]!r}?" if close else "`gemcli ask --help` shows the flags.",
            )
    return defaults


def _of_commands(commands: Mapping[str, Any], config: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Values for the parameters of each of some commands; `known` gathers the names that exist."""
    found: dict[str, Any] = {}
    for name, command in commands.items():
        if isinstance(command, TyperGroup):
            found[name] = _of_commands(command.commands, config, known)
            continue
        values = found[name] = {}
        for param in command.params:
            # What has no variable is no setting: a name to save under, what is to be deleted.
            if not (param.envvar or param.name in LISTED):
                continue
            for flag in param.opts:
                key = flag.removeprefix("--")
                if flag.startswith("--") and key not in NOT_A_DEFAULT:
                    known.add(key)
                    if key in config:
                        value = config[key]
                        values[param.name] = [value] if param.multiple and isinstance(value, str) else value
    return found
