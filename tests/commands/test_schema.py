"""--schema and --cite the whole way, with the real engine and tiny models: one that repeats itself."""

from __future__ import annotations

import json

import pytest
import tiny

ANSWER = "Yes, gold!"
TEXT = "The ring is of gold, as all know. It was made by a smith in the north. Nobody has seen it since.\n"


@pytest.fixture(scope="module")
def parrot(tmp_path_factory):
    """A sound GGUF file that answers every prompt with `ANSWER`, where it may."""
    return tiny.write_parrot(
        tmp_path_factory.mktemp("parrot") / "parrot.gguf", [tiny.START, *ANSWER.encode(), tiny.END]
    )


def test_an_answer_satisfies_its_schema(cli, parrot):
    cli.file("a.md", "It is gold.\n")
    done = cli.real(
        "Is it?", "a.md", "-m", str(parrot), "--schema", "sure bool, n int, k a|b", "--max-tokens", "60"
    )
    assert done.code == 0, done.err
    value = json.loads(done.out)
    assert done.out.count("\n") == 1, "on one line"
    assert set(value) == {"sure", "n", "k"}
    assert value["k"] in ("a", "b")


def test_the_value_is_in_the_answer_object(cli, parrot):
    flags = ("-m", str(parrot), "--schema", "name str", "--max-tokens", "30")
    answer = cli.real("Is it gold?", *flags, "--json").json()
    assert answer["data"] == json.loads(answer["answer"])
    assert set(answer["data"]) == {"name"}
    if answer["finish_reason"] == "length":
        assert "early end" in answer["warnings"][0]
    lines = [
        json.loads(line) for line in cli.real("Is it gold?", *flags, "-o", "stream-json").out.splitlines()
    ]
    assert lines[-1]["data"] == answer["data"]
    assert "".join(line["text"] for line in lines if line["type"] == "token") == answer["answer"]


def test_an_answer_that_is_cut_is_an_error(cli, parrot):
    flags = ("-m", str(parrot), "--schema", "name str, age int", "--max-tokens", "9")
    done = cli.real("Is it gold?", *flags, "--json")
    assert done.code == 7
    answer = json.loads(done.out)
    assert answer["data"] is None
    assert answer["error"]["code"] == 7
    assert "before it satisfied the schema" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--schema", "name foo"), "no such type"),
        (("--schema", '{"not": {}}'), "cannot be held"),
        (("--schema", "name", "--stop", "x"), "--stop would cut JSON"),
    ],
)
def test_a_wrong_schema_is_refused_before_anything_is_read(cli, flags, says):
    cli.real("Is it gold?", "missing.md", "-m", "missing.gguf", *flags).failed(2, says)


def test_a_variable_sets_it(cli, parrot):
    done = cli.real("Is it?", "-m", str(parrot), "--max-tokens", "20", env={"GEMCLI_SCHEMA": "n int"})
    assert set(json.loads(done.out)) == {"n"}


def test_quotes_stand_in_the_document(cli, parrot):
    cli.file("a.md", TEXT)
    flags = ("-m", str(parrot), "-s", "")  # its window is small
    answer = cli.real("Is it gold?", "a.md", *flags, "--cite", "--json").json()
    assert answer["answer"] == ANSWER
    (citation,) = answer["citations"]
    assert citation["verified"]
    assert citation["quote"] in TEXT
    assert (citation["source"], citation["anchor"]) == ("a.md", {"line": [1, 1]})
    done = cli.real("Is it gold?", "a.md", *flags, "--cite-strict")
    assert (done.code, done.err) == (0, "")
    assert done.out == f'{ANSWER}\n\n(1) "{citation["quote"]}" [a.md L1] ✓\n'


def test_what_came_with_an_earlier_question_is_quoted_too(cli, parrot):
    cli.file("a.md", "It is gold.\n")
    flags = ("-m", str(parrot), "-s", "")
    cli.real("Is it?", "a.md", *flags)
    done = cli.real("Sure?", "-c", *flags, "--cite-strict", "--json")
    assert (done.code, done.err) == (0, "")
    (citation,) = done.json()["citations"]
    assert (citation["quote"], citation["verified"]) == ("It is gold.", True)
    assert (citation["source"], citation["anchor"]) == ("a.md", {"line": [1, 1]})


def test_without_a_text_there_is_nothing_to_cite(cli, parrot):
    done = cli.real("Is it gold?", "-m", str(parrot), "--cite")
    assert (done.code, done.out) == (0, f"{ANSWER}\n")
    assert "no text to cite" in done.err
    strict = cli.real("Is it gold?", "-m", str(parrot), "--cite-strict")
    assert (strict.code, strict.out) == (8, f"{ANSWER}\n")
    assert "could be quoted" in strict.err
