"""``--schema``: a file, JSON, or the short form becomes a rule for answers, or a clear refusal, in no time.

Nothing is ever fetched: a schema that points to another place is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gemcli.errors import SchemaError, UsageError
from gemcli.structured.short import ShortError, expand
from gemcli.structured.told import told

if TYPE_CHECKING:
    from model.card import ModelCard
    from model.sampling.constraint import Constraint

_MOST_BYTES = 4_000_000
_FORMATS = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")
)
_SCHEMAS = ("additionalProperties", "items", "additionalItems", "unevaluatedItems", "unevaluatedProperties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "$defs", "definitions")


@dataclass(frozen=True, slots=True)
class Schema:
    """What an answer must be.

    Attributes:
        schema: JSON Schema.
        grammar: the same for the engine; see `model.sampling.grammar`.
        told: the same for the model, as it is asked.
    """

    schema: Mapping[str, Any] | bool
    grammar: str
    told: str

    def constraint(self, card: ModelCard) -> Constraint:
        """What holds one answer of a model to it."""
        from model.sampling.grammar import GrammarConstraint
        from model.sampling.vocabulary import Vocabulary

        return GrammarConstraint(self.grammar, Vocabulary.of(card.tokenizer, card.config.vocab))

    def parse(self, answer: str, tokens: int) -> object:
        """The value that an answer of so many tokens spells.

        Raises:
            SchemaError: there was no room for all of it.
        """
        try:
            return json.loads(answer)
        except ValueError:
            raise SchemaError(
                f"the answer was cut after {tokens:,} tokens, before it satisfied the schema",
                "Allow more with --max-tokens, or ask for less.",
            ) from None


def read_schema(argument: str) -> Schema:
    """The schema that an argument of ``--schema`` names or spells.

    Args:
        argument: a file's path, JSON, or the short form (`gemcli.structured.short`); a file may hold either.

    Raises:
        UsageError: it cannot be read, is no schema, or is one that no answer can be held to.
    """
    if not argument.strip():
        raise UsageError("--schema is empty", _HINT)
    if not _is_file(argument):
        return made(_parsed(argument, "--schema"), "--schema")
    path = Path(argument)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"the schema {argument} is larger than {_MOST_BYTES // 1_000_000} MB")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"the schema {argument} is not UTF-8 text") from None
    except OSError as error:
        raise UsageError(f"cannot read the schema {argument}: {error.strerror or error}") from None
    return made(_parsed(text, argument), argument)


def made(schema: object, name: str = "the schema") -> Schema:
    """A JSON Schema, ready to hold answers to it.

    Args:
        schema: a JSON value.
        name: what it is called in errors.

    Raises:
        UsageError: it is no schema, or no answer can be held to it.
    """
    from model.sampling.constraint import ConstraintError
    from model.sampling.grammar import json_grammar

    if not isinstance(schema, dict | bool):
        raise UsageError(f"{name} is no JSON Schema but {_kind(schema)}", _HINT)
    try:
        kept = _enforced(schema)
        return Schema(schema, json_grammar(kept), told(schema))
    except ConstraintError as error:
        _refuse(name, str(error))
    except RecursionError:
        _refuse(name, "recursion limit exceeded")


def _parsed(text: str, name: str) -> object:
    """The JSON value that a text holds, or what its short form stands for."""
    begin = text.lstrip()[:1]
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        _refuse(name, "recursion limit exceeded")
    except ValueError as error:
        if begin == "{":
            where = (
                f"line {error.lineno}, column {error.colno}"
                if isinstance(error, json.JSONDecodeError)
                else ""
            )
            said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise UsageError(f"{name} is not valid JSON: {said}{where and f' ({where})'}", _HINT) from None
    if re.fullmatch(r"\S*(?:/|\.json$|\.ya?ml$)\S*", text):
        raise UsageError(f"there is no schema file {text}")
    try:
        return expand(text)
    except ShortError as error:
        raise UsageError(f"{name} cannot be read: {error}", _HINT) from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _is_file(argument: str) -> bool:
    try:
        return Path(argument).is_file()
    except (OSError, ValueError):  # too long or too odd for a path
        return False


def _enforced(schema: Any) -> Any:
    """The schema without formats that nobody has rules for, which by the standard only annotate."""
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "format" and isinstance(value, str) and value not in _FORMATS:
            continue
        if key in _SCHEMAS:
            value = [_enforced(each) for each in value] if isinstance(value, list) else _enforced(value)
        elif key in _LISTS and isinstance(value, list):
            value = [_enforced(each) for each in value]
        elif key in _MAPS and isinstance(value, dict):
            value = {name: _enforced(each) for name, each in value.items()}
        kept[key] = value
    return kept


def _refuse(name: str, why: str) -> NoReturn:
    """Raise what a person can understand of the library's message."""
    for pattern, say in _REASONS:
        if found := re.search(pattern, why):
            message, hint = say(found)
            raise UsageError(f"{name}: {message}", hint)
    raise UsageError(f"{name} cannot be used: {why}", _HINT)


_Said = tuple[str, str | None]
_HINT = 'Give a JSON Schema (a file or JSON), or the short form: --schema "name, age int, tags [str]".'
_REASONS: tuple[tuple[str, Callable[[re.Match[str]], _Said]], ...] = (
    (
        r"Unimplemented keys: \[(.*)\]",
        lambda found: (
            f"an answer cannot be held to {found[1]} while it is written",
            "Leave that out, or say it in the question.",
        ),
    ),
    (
        r"oneOf constraints",
        lambda _: (
            "its oneOf has alternatives that one value can satisfy together",
            "Write anyOf instead.",
        ),
    ),
    (r"Unsatisfiable schema: (.*)", lambda found: (f"nothing satisfies it: {found[1]}", None)),
    (
        r"Resource '(.*)' is not present|Unresolvable",
        lambda found: (
            f"it points to {found[1] or 'something that it does not hold'}, and nothing is fetched",
            "Put that under $defs and point to '#/$defs/…'.",
        ),
    ),
    (
        r"NoExtension|nothing of less",
        lambda _: (
            "nothing of bearable length satisfies it",
            "It may contain itself without an end: make one of the members optional, or allow null.",
        ),
    ),
    (r"recursion limit", lambda _: ("it has too many levels", None)),
    (
        r"Current row has|fuel|too (?:large|complex|big)|max_grammar_size|limit",
        lambda _: ("it is too large", "Ask for less at once: several smaller schemas answer better too."),
    ),
)


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a string", int: "a number", float: "a number", type(None): "null"}
    return kinds.get(type(value), type(value).__name__)
