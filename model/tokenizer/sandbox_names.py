"""What a chat template may name: filters and globals as Hugging Face has them, without the dangerous ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import SecurityError, TemplateError
from jinja2.filters import make_attrgetter
from jinja2.utils import Namespace, pass_environment

if TYPE_CHECKING:
    from model.tokenizer.sandbox import Sandbox

NO_FILTERS = frozenset({
    "filesizeformat", "forceescape", "pprint", "random", "striptags", "sum", "urlencode", "urlize",
    "wordwrap", "xmlattr",
})  # fmt: skip
"""Filters of Jinja's that no chat template needs, and whose cost is hard to bound."""

TEXT_FILTERS = frozenset({
    "capitalize", "center", "e", "escape", "format", "indent", "lower", "replace", "string", "title", "trim",
    "truncate", "upper", "wordcount",
})  # fmt: skip
"""Filters that write their first argument out as text."""


class Refusal(TemplateError):
    """The template called `raise_exception`."""


class _Namespace(Namespace):
    """A namespace that cannot be given Python's own attributes."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # as in Jinja, so that `namespace(self=…)` works
        self, *rest = args
        values = dict(*rest, **kwargs)
        for name in values:
            _check_name(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or name.startswith("_"):
        raise SecurityError(f"it sets {name!r} in a namespace")


def _raise_exception(message: Any) -> None:
    raise Refusal(str(message))


def _make_dict(*args: Any, **kwargs: Any) -> dict[Any, Any]:
    """`dict` without the methods of the class itself."""
    return dict(*args, **kwargs)


def _now(format: str) -> str:
    return datetime.now().strftime(format)


@pass_environment
def _join(environment: Sandbox, value: Iterable[Any], d: Any = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        value = map(make_attrgetter(environment, attribute), value)
    return environment.join(value, d)


@pass_environment
def _to_json(
    environment: Sandbox,
    x: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As in Hugging Face: Jinja's own escapes for HTML."""
    environment.weigh_json(x, indent or 0)
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


FILTERS: dict[str, Callable[..., Any]] = {"tojson": _to_json, "join": _join, "safe": lambda value: value}
GLOBALS: dict[str, Any] = {
    "namespace": _Namespace,
    "dict": _make_dict,
    "raise_exception": _raise_exception,
    "strftime_now": _now,
}
