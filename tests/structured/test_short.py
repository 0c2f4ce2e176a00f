"""The short form of a schema says the same as the long one."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from gemcli.structured.short import ShortError, expand


def members(schema: dict[str, Any]) -> dict[str, Any]:
    assert schema["additionalProperties"] is False
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema["properties"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name", {"name": {"type": "string"}}),
        ("a int, b float,c bool , d any", {
            "a": {"type": "integer"}, "b": {"type": "number"}, "c": {"type": "boolean"}, "d": {},
        }),
        ("name: the full name, age int: in years", {
            "name": {"type": "string", "description": "the full name"},
            "age": {"type": "integer", "description": "in years"},
        }),
        ("name: first, then last\nage int: in years,\n", {
            "name": {"type": "string", "description": "first, then last"},
            "age": {"type": "integer", "description": "in years"},
        }),
        ("tags [str], rows [[int]], more []", {
            "tags": {"type": "array", "items": {"type": "string"}},
            "rows": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
            "more": {"type": "array", "items": {"type": "string"}},
        }),
        ("mood happy|sad: how it sounds, kinds [a|b]", {
            "mood": {"enum": ["happy", "sad"], "description": "how it sounds"},
            "kinds": {"type": "array", "items": {"enum": ["a", "b"]}},
        }),
        ("at date, two-words_2 str", {
            "at": {"type": "string", "format": "date"}, "two-words_2": {"type": "string"},
        }),
        ('"two words" int', {"two words": {"type": "integer"}}),
        ("note: see [a, b] (c, d), n int", {
            "note": {"type": "string", "description": "see [a, b] (c, d)"}, "n": {"type": "integer"},
        }),
    ],
)  # fmt: skip
def test_members(text: str, wanted: dict[str, Any]) -> None:
    schema = expand(text)
    assert members(schema) == wanted
    assert schema["required"] == list(wanted)


def test_a_question_mark_makes_optional() -> None:
    assert expand("a, b?, c int?: maybe")["required"] == ["a"]


def test_objects_in_objects_and_lists() -> None:
    schema = expand("people [name, home {street, no int?}: where], n int")
    people = members(schema)["people"]
    assert people["type"] == "array"
    home = members(people["items"])["home"]
    assert home["description"] == "where"
    assert members(home) == {"street": {"type": "string"}, "no": {"type": "integer"}}
    assert home["required"] == ["street"]
    assert schema["required"] == ["people", "n"]


def test_a_list_as_a_whole() -> None:
    assert expand("[str]") == {"type": "array", "items": {"type": "string"}}
    assert list(members(expand(" [name, age int] ")["items"])) == ["name", "age"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a name is missing at its end"),
        ("a foo", "no such type at 'foo'"),
        ("a int int", "a comma is missing at 'int'"),
        ("a, a int", "'a' is given twice"),
        ("a [b", "a comma is missing at its end"),
        ("a {b int}}", "a comma is missing at '}'"),
        ("[str] x", "nothing may follow at 'x'"),
        ("1a", "a name is missing at '1a'"),
        ("a [" * 40, "more than 20 brackets"),
    ],
)
def test_what_cannot_be_read(text: str, says: str) -> None:
    with pytest.raises(ShortError) as error:
        expand(text)
    assert says in str(error.value)
