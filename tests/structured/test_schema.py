"""Schemas from files, JSON and the short form; what is wrong with them is said before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from by_chance import chance

from gemcli.errors import SchemaError, UsageError
from gemcli.structured.schema import read_schema


def test_a_file_json_and_the_short_form_say_the_same(tmp_path: Path) -> None:
    short = read_schema("name, age int")
    (tmp_path / "person.json").write_text("\ufeff" + json.dumps(short.schema))
    (tmp_path / "person.txt").write_text("name\nage int\n")
    for other in (json.dumps(short.schema), str(tmp_path / "person.json"), str(tmp_path / "person.txt")):
        assert read_schema(other) == short
    assert short.told == 'Answer with JSON alone, of this form: {"name": string, "age": integer}'


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        (" ", "is empty"),
        ("{bad", "not valid JSON"),
        ('{"minimum": NaN}', "NaN is no JSON"),
        ("[1, 2]", "no JSON Schema but a list"),
        ("5", "no JSON Schema but a number"),
        ("missing.json", "no schema file missing.json"),
        ("name foo", "no such type"),
        ('{"type": "strng"}', "Invalid type: strng"),
        ("false", "nothing satisfies it"),
        ('{"type": "string", "minLength": 5, "maxLength": 2}', "nothing satisfies it"),
        ('{"$ref": "#"}', "nothing of bearable length"),
        ('{"type": "string", "minLength": 90000}', "nothing of bearable length"),
        ('{"$ref": "https://example.com/x.json"}', "nothing is fetched"),
        ('{"uniqueItems": true}', 'cannot be held to "uniqueItems"'),
        ('{"oneOf": [{"type": "integer"}, {"type": "number"}]}', "can satisfy together"),
        ('{"pattern": "(?=a)b"}', "look-around"),
        ('{"a":' * 3000, "too many levels"),
        ("[" * 3000, "too many levels"),
    ],
)
def test_what_no_answer_can_be_held_to_is_refused(argument: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        read_schema(argument)
    assert error.value.exit_code == 2
    assert says in error.value.message
    assert len(error.value.message) < 400


def test_an_enormous_schema_is_refused(tmp_path: Path) -> None:
    many = {f"p{i}": {"type": "string", "pattern": "^[a-z]{1,500}$"} for i in range(3000)}
    with pytest.raises(UsageError, match="it is too large"):
        read_schema(json.dumps({"type": "object", "properties": many}))
    path = tmp_path / "big.json"
    path.write_text(" " * 4_000_001)
    with pytest.raises(UsageError, match="larger than 4 MB"):
        read_schema(str(path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_schema(str(path))


def test_a_schema_may_contain_itself_where_that_ends() -> None:
    members = {"n": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#"}}}
    tree = {"type": "object", "properties": members, "required": ["n", "kids"], "additionalProperties": False}
    schema = read_schema(json.dumps(tree))
    rng = np.random.default_rng(0)
    for _ in range(20):
        text, rule = chance(schema.grammar, rng, 80)
        assert rule.ended
        assert set(json.loads(text)) == {"n", "kids"}
    assert schema.told.endswith('{"n": integer, "kids": [{"n": integer, "kids": [{…}, …]}, …]}')


def test_formats_that_nobody_has_rules_for_are_remarks() -> None:
    schema = read_schema(
        '{"type": "object", "properties": {"format": {"type": "string", "format": "colour"}}}'
    )
    text, _ = chance(schema.grammar, np.random.default_rng(1), 60)
    assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize("limit", [40, 60, 100, 200])
def test_an_answer_ends_within_its_room(limit: int) -> None:
    schema = read_schema("name, tags [str], at date, mail str")
    rng = np.random.default_rng(limit)
    for _ in range(15):
        text, rule = chance(schema.grammar, rng, max(limit, 70))
        assert rule.ended
        assert set(json.loads(text)) == {"name", "tags", "at", "mail"}


def test_without_room_for_any_answer_it_is_cut_and_that_is_an_error() -> None:
    schema = read_schema("name, age int")
    text, rule = chance(schema.grammar, np.random.default_rng(0), 8)
    assert not rule.ended
    with pytest.raises(SchemaError) as error:
        schema.parse(text, 8)
    assert error.value.exit_code == 7
    assert schema.parse('{"name": "a", "age": 1}', 9) == {"name": "a", "age": 1}


def test_what_is_told_is_bounded() -> None:
    many = {f"member_number_{i}": {"type": "string", "description": "x" * 50} for i in range(100)}
    told = read_schema(
        json.dumps({"type": "object", "properties": {"all": {"type": "object", "properties": many}}})
    ).told
    assert len(told) < 1_600
    assert '"all"' in told
    assert read_schema("{}").told == "Answer with JSON alone."
