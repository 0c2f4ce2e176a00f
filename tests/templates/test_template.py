"""Templates: what may be in them, their blanks, and where they are."""

from __future__ import annotations

import pytest

from gemcli.errors import UsageError
from gemcli.templates import store
from gemcli.templates.template import Template, parse


def test_everything_that_a_template_may_hold():
    text = """
    description: One sentence.
    system: You are a $who.
    prompt: |
      Explain ${input} in $lines lines for $$5 or $6.
    model: smollm2-135m
    schema: {type: object, properties: {a: {$ref: "#/x"}}}
    options: {max_tokens: 30, temperature: 0.5, stop: [a, b], raw: true}
    defaults: {lines: 3, polite: yes}
    """
    found = store.from_yaml(text.encode(), "x")
    assert found.blanks == ("who", "input", "lines")
    assert found.schema == '{"type": "object", "properties": {"a": {"$$ref": "#/x"}}}'
    assert found.filled(found.schema, {}) == '{"type": "object", "properties": {"a": {"$ref": "#/x"}}}'
    assert found.options == {"max-tokens": 30, "temperature": 0.5, "stop": ["a", "b"], "raw": True}
    assert found.defaults == {"lines": "3", "polite": "yes"}
    assert not found.asks
    found.check({"who": "pirate"})
    assert found.filled(found.system or "", {"who": "$lines"}) == "You are a $lines.", (
        "values are no templates"
    )
    asked = found.question({"who": "x", "lines": "2"}, "gold")
    assert asked == "Explain gold in 2 lines for $5 or $6."
    assert store.from_yaml(store.to_yaml(found).encode(), "x") == found


def test_words_that_older_yaml_takes_for_something_else():
    text = """
    prompt: Is it so?
    schema: {enum: [yes, no, off, true, 2026-01-31, 10:30, 007, 7, -3, 0x10, 1.5, ~]}
    options: {start: 10:30, private: yes}
    defaults: {at: 10:30, answer: no, on: on}
    """
    found = store.from_yaml(text.encode(), "x")
    assert found.schema == (
        '{"enum": ["yes", "no", "off", true, "2026-01-31", "10:30", "007", 7, -3, 16, 1.5, null]}'
    )
    assert found.options == {"start": "10:30", "private": "yes"}
    assert found.defaults == {"at": "10:30", "answer": "no", "on": "on"}
    assert store.from_yaml(store.to_yaml(found).encode(), "x") == found


@pytest.mark.parametrize("schema", ["&a {x: *a}", "{const: !!timestamp 2026-01-31}", "{1: !!set {a, b}}"])
def test_a_schema_that_json_cannot_say(schema):
    with pytest.raises(UsageError, match="'schema' must be what JSON can say"):
        store.from_yaml(f"schema: {schema}".encode(), "x")


@pytest.mark.parametrize(
    ("prompt", "question", "asked"),
    [
        ("Sum up.", None, "Sum up."),
        ("Sum up.\n", "Only chapter 3", "Sum up.\n\nOnly chapter 3"),
        ("About $input: why?", "cats", "About cats: why?"),
        (None, "Why?", "Why?"),
        (None, None, None),
    ],
)
def test_the_question(prompt, question, asked):
    template = Template("x", prompt=prompt, system="Be.")
    assert template.question({}, question) == asked
    assert template.asks == (prompt is not None and "$input" not in prompt)


def test_a_question_that_is_needed():
    with pytest.raises(UsageError, match="x needs a question"):
        Template("x", prompt="$input!").question({}, None)
    assert Template("x", prompt="$input!", defaults={"input": "Hm"}).question({}, None) == "Hm!"


def test_blanks_are_checked_all_at_once():
    template = Template("x", prompt="$a $b $c $input", defaults={"c": "1"})
    with pytest.raises(UsageError, match="needs a value for 'a', 'b'") as caught:
        template.check({})
    assert caught.value.hint == "Add -p a=… -p b=…"
    with pytest.raises(UsageError, match="no blank called 'd', 'input'") as caught:
        template.check({"a": "", "d": "", "input": ""})
    assert caught.value.hint == "It has: a, b, c."
    template.check({"a": "", "b": ""})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt: hi\nmodle: x\ntemperature: 1", "unknown key 'modle', 'temperature'"),
        ("prompt: [a]", "'prompt' must be a text"),
        ("prompt: 3", "'prompt' must be a text"),
        ("prompt: a\noptions: [a]", "'options' must be a mapping"),
        ("prompt: a\noptions: {1: 2}", "'options' must be a mapping"),
        ("prompt: a\ndefaults: {a: [1]}", "'defaults: a' must be a name"),
        ("prompt: a\ndefaults: {a b: 1}", "'defaults: a b' must be a name"),
        ("prompt: a\nschema: 3", "'schema' must be a text or a mapping"),
        ("system: About $input", "'system' cannot hold"),
        ("description: nothing else", "is empty"),
        ("", "no mapping"),
        ("- a", "no mapping"),
        ("prompt: a\n  b: [", "x, line 2, is not valid YAML"),
        ("prompt: !!python/object:os.system x", "not valid YAML"),
        ("\x00", "not valid YAML"),
    ],
)
def test_what_is_no_template(text, said):
    with pytest.raises(UsageError, match=said):
        store.from_yaml(text.encode(), "x")


def test_bytes_that_are_no_template():
    for data, said in (
        (b"\xff\xfe", "UTF-8"),
        (b"a" * 1_000_001, "larger"),
        (b"[" * 50_000, "not valid YAML"),
    ):
        with pytest.raises(UsageError, match=said):
            store.from_yaml(data, "x")


def test_a_text_is_a_prompt():
    assert parse("Sum up.", "x") == Template("x", prompt="Sum up.")


def test_the_shipped_ones(home):
    names = store.names()
    assert set(names) == {"chapters", "chapters-csv", "extract", "label", "minutes", "summarize", "translate"}
    for name, path in names.items():
        template = store.read(path, name)
        assert template.asks
        assert template.description
        assert not store.is_own(path)
        given = {blank: "x" for blank in template.blanks if blank not in template.defaults}
        template.check(given)
        assert "$" not in (template.question(given, None) or "$")


def test_ones_own(home, tmp_path):
    mine = Template("label", prompt="Mine")
    path = store.save(mine)
    assert path == home / "templates" / "label.yaml"
    assert store.find("label") == mine
    assert store.is_own(store.names()["label"])
    store.remove("label")
    assert store.find("label").prompt != "Mine"
    with pytest.raises(UsageError, match="came with gemcli"):
        store.remove("label")
    file = tmp_path / "t.yaml"
    file.write_text("prompt: From a file\n")
    assert store.find(str(file)).prompt == "From a file"
    for word, said, hint in [
        ("lable", "no template 'lable'", "Did you mean 'label'?"),
        ("zzz", "no template 'zzz'", "`gemcli templates list` shows them."),
        ("no/such.yaml", "no such template file", None),
    ]:
        with pytest.raises(UsageError, match=said) as caught:
            store.find(word)
        assert caught.value.hint == hint
    for name in ("../x", "", ".x", "a b", "x.yaml", "é"):
        with pytest.raises(UsageError, match="cannot be a template's name"):
            store.save(Template(name, prompt="x"))
