"""JSON Schemas of the JSON-Schema-Test-Suite (MIT), out of the source archive of the package jsonschema.

Each case of the suite is one schema; those are taken that an answer can be held to, up to a hundred.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gemcli.errors import UsageError
from gemcli.structured.schema import Schema, made

#: Files of the suite, by how many schemas are taken of each at most: so that all kinds are there.
KINDS = {
    "additionalProperties": 8, "allOf": 9, "anchor": 2, "anyOf": 8, "boolean_schema": 1, "const": 14,
    "default": 3, "defs": 1, "enum": 13, "exclusiveMaximum": 1, "exclusiveMinimum": 1, "format": 19,
    "infinite-loop-detection": 1, "items": 7, "maxItems": 1, "maxLength": 1, "maxProperties": 2,
    "maximum": 2, "minItems": 1, "minLength": 1, "minProperties": 1, "minimum": 2, "multipleOf": 3,
    "oneOf": 6, "pattern": 2, "patternProperties": 4, "prefixItems": 4, "properties": 6, "ref": 16,
    "required": 4, "type": 10,
}  # fmt: skip
WANTED = 100


def suite(material: Callable[[str], Path]) -> Iterator[tuple[str, Any, list[dict[str, Any]]]]:
    """(name, schema, its examples) of each case."""
    for kind in KINDS:
        for case in json.loads(material(f"schemas/{kind}.json").read_text()):
            yield f"{kind}: {case['description']}", case["schema"], case["tests"]


def usable(material: Callable[[str], Path]) -> list[tuple[str, Any, Schema, list[dict[str, Any]]]]:
    """The schemas that answers can be held to, a hundred of all kinds."""
    found: list[tuple[str, Any, Schema, list[dict[str, Any]]]] = []
    taken = dict.fromkeys(KINDS, 0)
    for name, schema, examples in suite(material):
        kind = name.split(":")[0]
        if taken[kind] >= KINDS[kind]:
            continue
        try:
            ready = made(schema)
        except UsageError:
            continue
        taken[kind] += 1
        found.append((name, schema, ready, examples))
    return found[:WANTED]
