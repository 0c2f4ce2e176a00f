"""What can follow what on the command line, read from the commands themselves, as plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from typer.core import TyperGroup

Kind = Literal["none", "text", "file", "named", "words"]

DEFAULT = "ask"
"""The command that runs where none is named."""

_FILES = ("FILE", "QUESTION | FILES", "FILE=ANSWER")
_NAMES = ("NAME", "NAMES", "NAME...")
_LISTS = {"TEMPLATE": "templates", "CONVERSATION": "conversations"}

Names = Mapping[str, tuple[str, ...]]
"""What to propose for an argument with this metavar."""


@dataclass(frozen=True, slots=True)
class Value:
    """What follows a flag or a command: nothing, any text, a file, one of some words, or (named) either.

    The words are `words` and those of `lists`, which is one of `gemcli.completion.names.LISTS`, or "".
    """

    kind: Kind
    words: tuple[str, ...] = ()
    lists: str = ""


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag: its spellings, what it takes, one sentence about it, and whether it may come again."""

    names: tuple[str, ...]
    value: Value
    help: str
    repeats: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its words (none for the program itself), flags, arguments and commands below it.

    `own` are flags of the program itself, after which a command may still come.
    """

    path: tuple[str, ...]
    help: str
    flags: tuple[Flag, ...]
    arguments: Value
    commands: tuple[Command, ...]
    own: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Its words as they are typed."""
        return " ".join(self.path)

    @property
    def step(self) -> str:
        """What comes before its last word, a colon, and that word."""
        return f"{' '.join(self.path[:-1])}:{self.path[-1]}"

    def valued(self) -> list[str]:
        """Every spelling of a flag, here or below, that takes a value."""
        flags = [flag for each in self.all() for flag in each.flags if flag.value.kind != "none"]
        return sorted({name for flag in flags for name in flag.names})

    def all(self) -> list[Command]:
        """This command and all below it, depth first."""
        return [self, *(each for below in self.commands for each in below.all())]


def read(group: TyperGroup, models: Sequence[str], others: Sequence[str] = ()) -> Command:
    """The program as it can be completed.

    Where no command is named the default command runs, so the program takes its flags and arguments too.

    Args:
        group: the commands.
        models: names to propose for a model.
        others: names of models that answer nothing: proposed only where a model need not answer.
    """
    names = {"MODEL": tuple(models)} | dict.fromkeys(_NAMES, (*models, *others))
    top = _command(group, (), names)
    default = next(each for each in top.commands if each.path == (DEFAULT,))
    taken = {name for flag in top.flags for name in flag.names}
    more = tuple(flag for flag in default.flags if not taken.intersection(flag.names))
    return Command((), top.help, top.flags + more, default.arguments, top.commands, tuple(sorted(taken)))


def sentence(text: str) -> str:
    """The first sentence, without its full stop."""
    line = " ".join(text.split())
    return re.split(r"\.(?:\s|$)", line, maxsplit=1)[0].partition(" [")[0].strip()


def _command(command: Any, path: tuple[str, ...], names: Names) -> Command:
    flags, arguments = [], Value("none")
    for param in command.params:
        if param.param_type_name == "argument":
            arguments = _value(param, names)
        elif not param.hidden:
            flags.append(_flag(param, names))
    flags.append(Flag(("-h", "--help"), Value("none"), "Show what there is to know, and exit", False))
    below = command.commands if isinstance(command, TyperGroup) else {}
    return Command(
        path,
        sentence(command.short_help or command.help or ""),
        tuple(flags),
        arguments,
        tuple(_command(each, (*path, name), names) for name, each in below.items()),
    )


def _flag(param: Any, names: Names) -> Flag:
    value = Value("none") if param.is_flag or param.count else _value(param, names)
    spelt = tuple(sorted((*param.opts, *param.secondary_opts), key=len))
    return Flag(spelt, value, sentence(param.help or ""), bool(param.multiple or param.count))


def _value(param: Any, names: Names) -> Value:
    metavar = param.metavar or param.name.upper()
    choices = param.type_descriptor.choices
    if choices:
        # A metavar that lists some of the choices leaves out those that are only tolerated.
        listed = tuple(metavar.split("|"))
        return Value("words", listed if set(listed) <= set(choices) else tuple(map(str, choices)))
    bare = metavar.removesuffix("...").strip("[]")
    if bare in _FILES:
        return Value("file")
    if bare in _LISTS:
        is_flag = param.param_type_name != "argument"
        return Value("named" if is_flag and bare == "TEMPLATE" else "words", (), _LISTS[bare])
    if metavar == "MODEL":
        return Value("named", names[metavar], "models")
    return Value("words", names[metavar], "models") if metavar in names else Value("text")
