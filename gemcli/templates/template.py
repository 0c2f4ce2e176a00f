"""A template: an instruction and a question with blanks, the model and settings that go with them.

It is a YAML mapping, or a text alone, which is the prompt::

    description: one sentence for lists
    system: the instruction
    prompt: the question, with $blanks; $input stands for the question on the command line
    model: a model's name
    options: {max-tokens: 300, temperature: 0.2}   # flags of `gemcli ask`, by their long names
    schema: name, age int                          # as --schema takes it, or a JSON Schema as a mapping
    defaults: {blank: value}

``$$`` is a dollar sign, and so is one before anything but a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gemcli.errors import UsageError

INPUT = "input"
"""The blank that the question on the command line fills."""

KEYS = ("description", "system", "prompt", "model", "options", "schema", "defaults")
_BLANK = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
_NAMED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Template:
    """A template, as its file says.

    Attributes:
        name: how it is called: a name, or the path of its file.
        prompt, system, model, schema: None where it has none; `schema` is what ``--schema`` takes.
        options: values of flags by their long names, without the dashes.
        defaults: values of blanks.
        description: one sentence.
    """

    name: str
    prompt: str | None = None
    system: str | None = None
    model: str | None = None
    schema: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    description: str = ""

    @property
    def blanks(self) -> tuple[str, ...]:
        """The names of all blanks, in the order in which they come."""
        found = [
            one or other
            for text in (self.system, self.prompt, self.schema)
            for _, one, other in _BLANK.findall(text or "")
            if one or other
        ]
        return tuple(dict.fromkeys(found))

    @property
    def asks(self) -> bool:
        """Whether it brings the question, so that none need be on the command line."""
        return self.prompt is not None and (INPUT not in self.blanks or INPUT in self.defaults)

    def check(self, given: Mapping[str, str]) -> None:
        """Refuse values for blanks that are not there, and blanks without a value.

        Raises:
            UsageError: it names all of them.
        """
        known = [name for name in self.blanks if name != INPUT]
        unknown = [name for name in given if name not in known]
        if unknown:
            has = f"It has: {', '.join(known)}." if known else "It has none."
            raise UsageError(f"the template {self.name} has no blank called {_listed(unknown)}", has)
        missing = [name for name in known if name not in given and name not in self.defaults]
        if missing:
            flags = " ".join(f"-p {name}=…" for name in missing)
            raise UsageError(f"the template {self.name} needs a value for {_listed(missing)}", f"Add {flags}")

    def filled(self, text: str, given: Mapping[str, str], question: str | None = None) -> str:
        """A text of it with every blank filled; `check` has seen that all can be."""
        values = {**self.defaults, **given} | ({} if question is None else {INPUT: question})
        return _BLANK.sub(lambda found: found[1] or values[found[2] or found[3]], text)

    def question(self, given: Mapping[str, str], question: str | None) -> str | None:
        """What is asked: the prompt filled, with the question of the command line in its place or behind it.

        None where there is neither.

        Raises:
            UsageError: the template needs a question and there is none.
        """
        if self.prompt is None:
            return question
        takes = INPUT in self.blanks
        if takes and question is None and INPUT not in self.defaults:
            raise UsageError(
                f"the template {self.name} needs a question", f'Write one: gemcli -t {self.name} "…" FILES'
            )
        text = self.filled(self.prompt, given, question).strip()
        return text if takes or question is None else f"{text}\n\n{question}"


def parse(value: object, name: str) -> Template:
    """The template that a YAML document holds.

    Raises:
        UsageError: a key is unknown or holds something of the wrong kind.
    """
    if isinstance(value, str) and value.strip():
        return Template(name, prompt=value)
    if not isinstance(value, dict):
        raise UsageError(
            f"the template {name} is no mapping of keys to values", f"A template has: {', '.join(KEYS)}."
        )
    unknown = [str(key) for key in value if key not in KEYS]
    if unknown:
        raise UsageError(
            f"the template {name} has the unknown key {_listed(unknown)}", f"Known are: {', '.join(KEYS)}."
        )
    texts = {key: _text(value, key, name) for key in ("description", "system", "prompt", "model")}
    schema = value.get("schema")
    if schema is not None and not isinstance(schema, str):
        if not isinstance(schema, dict):
            raise _wrong(name, "schema", "a text or a mapping")
        # A JSON Schema's own dollar signs ($ref, $defs) are no blanks.
        try:
            schema = json.dumps(schema, ensure_ascii=False).replace("$", "$$")
        except (TypeError, ValueError, RecursionError):  # a moment, a set, an alias of what it is in
            raise _wrong(name, "schema", "what JSON can say") from None
    options = _mapping(value, "options", name)
    defaults = _mapping(value, "defaults", name)
    for key, each in defaults.items():
        if not _NAMED.fullmatch(key) or isinstance(each, list | dict) or each is None:
            raise _wrong(name, f"defaults: {key}", "a name with a text or a number")
    found = Template(
        name,
        texts["prompt"],
        texts["system"],
        texts["model"],
        schema,
        {key.replace("_", "-"): each for key, each in options.items()},
        {key: _plain(each) for key, each in defaults.items()},
        texts["description"] or "",
    )
    for key, text in (("system", found.system), ("schema", found.schema)):
        if INPUT in Template(name, prompt=text).blanks:
            raise UsageError(f"in the template {name}, {key!r} cannot hold ${INPUT}", "Only the prompt can.")
    if not (found.prompt or found.system or found.schema or found.model or found.options):
        raise UsageError(f"the template {name} is empty", "It needs a prompt or a system instruction.")
    return found


def to_json(template: Template) -> dict[str, Any]:
    """The template's own keys, those that are set, in the order of `KEYS`."""
    value = {key: getattr(template, key) for key in KEYS}
    return {key: dict(each) if isinstance(each, Mapping) else each for key, each in value.items() if each}


def _text(value: Mapping[str, Any], key: str, name: str) -> str | None:
    text = value.get(key)
    if text is not None and not isinstance(text, str):
        raise _wrong(name, key, "a text")
    return text


def _mapping(value: Mapping[str, Any], key: str, name: str) -> dict[str, Any]:
    found = value.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found):
        raise _wrong(name, key, "a mapping of names to values")
    return found


def _wrong(name: str, key: str, wanted: str) -> UsageError:
    return UsageError(f"in the template {name}, {key!r} must be {wanted}")


def _plain(value: object) -> str:
    """A value as YAML wrote it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
