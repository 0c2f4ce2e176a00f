"""Values that are plainly what a flag takes, taken as they are.

The parser hands every value of every flag, also the defaults that nobody named, to a library of validators
that takes a tenth of a second to import, which is a third of a short question to a server.  Whatever is not
plain goes to it as before, and is refused in its words.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import typer

_INT = re.compile(r"-?[0-9]{1,18}")
_FLOAT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_NOT_PLAIN = object()


def take_plainly(command: Any) -> None:
    """Have a command, and those below it, take values that are plain without asking the validators."""
    command.get_params = functools.partial(_params, command.get_params)
    for below in getattr(command, "commands", {}).values():
        take_plainly(below)


def _params(otherwise: Any, ctx: typer.Context) -> Any:
    """A command's parameters, with the one for help, which it makes when it is asked."""
    found = otherwise(ctx)
    for param in found:
        if hasattr(param, "type_descriptor") and "process_value" not in vars(param):
            param.process_value = functools.partial(_processed, param, param.process_value)
    return found


def _processed(param: Any, otherwise: Any, ctx: typer.Context, value: Any) -> Any:
    taken = _plain(param, value)
    if taken is _NOT_PLAIN or (param.required and param.value_is_missing(taken)):
        return otherwise(ctx, value)
    return taken if param.callback is None else param.callback(ctx, param, taken)


def _plain(param: Any, value: Any) -> Any:
    """The value as the parser would make it, or `_NOT_PLAIN`."""
    descriptor = param.type_descriptor
    if descriptor.parameter_info.parser is not None or descriptor.parameter_info.clamp:
        return _NOT_PLAIN
    many = param.multiple or param.nargs == -1
    if value is None:
        return () if many else None
    if not many:
        return _one(descriptor, descriptor.annotation, value)
    if descriptor.annotation != list[str] or not isinstance(value, list | tuple):
        return _NOT_PLAIN
    return list(value) if all(type(each) is str for each in value) else _NOT_PLAIN


def _one(descriptor: Any, kind: Any, value: Any) -> Any:
    if kind is bool:
        return value if type(value) is bool else _NOT_PLAIN
    if kind is str:
        return value if type(value) is str else _NOT_PLAIN
    if kind is int and type(value) is str and _INT.fullmatch(value):
        value = int(value)
    elif kind is float and type(value) is str and _FLOAT.fullmatch(value):
        value = float(value)
    if kind in (int, float):
        least, most = descriptor.parameter_info.min, descriptor.parameter_info.max
        fits = type(value) is kind and (least is None or value >= least) and (most is None or value <= most)
        return value if fits else _NOT_PLAIN
    choices = [each for each in descriptor.choices or () if type(each) is str]
    return value if type(value) is str and value in choices else _NOT_PLAIN
