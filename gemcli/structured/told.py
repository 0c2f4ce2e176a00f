"""How a model is told what JSON it is to write: by a sketch of it, which is shorter than any schema.

``{"name": string, "age": integer (in years), "tags": [string], "email"?: string}``
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_MOST = 1_500  # characters
_DEPTHS = (6, 3, 2, 1)
_CHOICES = 24
_ANYTHING = "anything"


def told(schema: Mapping[str, Any] | bool) -> str:
    """The instruction that follows the question."""
    for depth in _DEPTHS:
        sketch = _Sketch(schema).of(schema, depth)
        if sketch == _ANYTHING:
            break
        if len(sketch) <= _MOST:
            return f"Answer with JSON alone, of this form: {sketch}"
    return "Answer with JSON alone."


class _Sketch:
    def __init__(self, root: Mapping[str, Any] | bool) -> None:
        self._root = root

    def of(self, schema: object, depth: int) -> str:
        """A sketch of what satisfies a schema; dots beyond so many levels."""
        if not isinstance(schema, Mapping):
            return _ANYTHING
        text = self._plain(schema, depth)
        described = schema.get("description")
        return f"{text} ({' '.join(described.split())})" if isinstance(described, str) and described else text

    def _plain(self, schema: Mapping[str, Any], depth: int) -> str:
        if "$ref" in schema:
            found = self._found(schema["$ref"])
            return "…" if found is None or depth <= 0 else self._plain(found, depth - 1)
        if "const" in schema:
            return _json(schema["const"])
        choices = schema.get("enum")
        if isinstance(choices, list):
            some = " | ".join(map(_json, choices[:_CHOICES]))
            return f"{some} | …" if len(choices) > _CHOICES else some
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list) and "properties" not in schema:
                return " | ".join(dict.fromkeys(self.of(each, depth - 1) for each in schema[key]))
        kind = schema.get("type")
        if isinstance(kind, list):
            return " | ".join(self._plain({**schema, "type": each}, depth) for each in kind)
        if kind == "array" or (kind is None and ("items" in schema or "prefixItems" in schema)):
            return self._array(schema, depth)
        if kind == "object" or (kind is None and ("properties" in schema or "allOf" in schema)):
            return self._object(schema, depth)
        if not isinstance(kind, str):
            return _ANYTHING
        limits = schema.get("format") or schema.get("pattern")
        return f"{kind} like {limits}" if kind == "string" and isinstance(limits, str) else kind

    def _array(self, schema: Mapping[str, Any], depth: int) -> str:
        if depth <= 0:
            return "[…]"
        first = schema.get("prefixItems", schema.get("items"))
        if isinstance(first, list):
            return f"[{', '.join(self.of(each, depth - 1) for each in first)}]"
        return f"[{self.of(schema.get('items', True), depth - 1)}, …]"

    def _object(self, schema: Mapping[str, Any], depth: int) -> str:
        properties: dict[str, Any] = {}
        required: set[str] = set()
        for each in (schema, *_list(schema.get("allOf"))):
            if isinstance(each, Mapping):
                if "$ref" in each and depth > 0:
                    each = self._found(each["$ref"]) or each
                own = each.get("properties")
                properties |= own if isinstance(own, dict) else {}
                required |= {name for name in _list(each.get("required")) if isinstance(name, str)}
        if depth <= 0:
            return "{…}"
        members = [
            f"{_json(name)}{'' if name in required else '?'}: {self.of(each, depth - 1)}"
            for name, each in properties.items()
        ]
        more = schema.get("additionalProperties")
        if isinstance(more, Mapping) or not members:
            members.append(f'"…": {self.of(more, depth - 1)}' if isinstance(more, Mapping) else "…")
        return f"{{{', '.join(members)}}}"

    def _found(self, pointer: object) -> Mapping[str, Any] | None:
        """What a ``$ref`` within the schema points to."""
        if not isinstance(pointer, str) or not pointer.startswith("#"):
            return None
        here: Any = self._root
        for step in pointer[1:].split("/")[1:]:
            here = here.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(here, Mapping) else None
        return here if isinstance(here, Mapping) else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
