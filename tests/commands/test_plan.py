"""``gemcli plan``: the numbers that ask would have, without its cost."""

from __future__ import annotations

import json
import sys

import pytest
import tiny

from gemcli.commands.plan import _count
from gemcli.commands.words import split_plan
from gemcli.hub import room
from gemcli.hub.devices import Device


def test_the_total_is_what_ask_sends(cli):
    cli.file("a.md", "alpha\n" * 30)
    cli.file("notes/b.txt", "beta ü\n")
    for question in (["What is it about?"], []):
        plan = cli.ask(*question, "a.md", "notes", "-s", "Be brief.", "--json", command="plan").json()
        parts = [part for document in plan["documents"] for part in document["parts"]]
        assert [each["source"] for each in plan["documents"]] == ["a.md", "notes/b.txt"]
        assert parts[0]["anchor"] == {"line": [1, 30]}
        assert plan["total_tokens"] == plan["overhead_tokens"] + sum(
            each["tokens"] for each in plan["documents"]
        )
        assert all(each["tokens"] > sum(p["tokens"] for p in each["parts"]) > 0 for each in plan["documents"])
        if question:
            answer = cli.ask(*question, "a.md", "notes", "-s", "Be brief.", "--json").json()
            assert answer["usage"]["prompt_tokens"] == plan["total_tokens"]
            assert answer["plan"] | {"estimate": None} == plan | {"estimate": None}


def test_what_does_not_fit_is_a_report_and_no_failure(cli):
    cli.file("long.md", "word " * 2000)
    done = cli.ask("Which word?", "long.md", "--json", command="plan", window=4096)
    plan = done.json()
    assert cli.ask("long.md", "--json", command="plan", window=4096).json()["prompt_tokens"] is None
    assert (done.code, plan["fits"], plan["window"]) == (0, False, 4096)
    assert plan["budget"] == 4096 - 512 - plan["overhead_tokens"]
    assert plan["prompt_tokens"] < 4096 - 512 < plan["total_tokens"]
    longest = min(2048, 4096 - plan["prompt_tokens"])
    assert plan["kv_bytes"] == 20 * (plan["prompt_tokens"] + longest) < plan["memory_bytes"]
    assert plan["read"]["overflow"] == "select"
    assert plan["read"]["tokens_given"] == plan["total_tokens"] - plan["overhead_tokens"]
    assert "It does not fit: " in cli.ask("long.md", command="plan", window=4096).out
    refused = cli.ask("long.md", "--overflow", "error", "--json", command="plan", window=4096).json()
    assert (refused["prompt_tokens"], refused["fits"]) == (None, False)
    assert cli.ask("long.md", command="plan", window=32768).out.endswith("It fits.\n")


def test_the_limits_of_the_person_count(cli):
    cli.file("a.md")
    plan = cli.ask("a.md", "--context", "2000", "--max-tokens", "100", "--json", command="plan").json()
    assert (plan["window"], plan["budget"]) == (2000, 1900 - plan["overhead_tokens"])


def test_what_is_longer_than_the_trained_window_is_said_and_planned(cli):
    cli.file("a.md", "word " * 4000)
    cli.file("b.md")
    wide = "--context", "100000", "--overflow", "error", "--json"
    done = cli.ask("a.md", *wide, command="plan", window=8192)
    assert (done.json()["window"], done.json()["attention"]) == (100_000, "sparse")
    assert "trained on 8,192 tokens" in done.err
    short = cli.ask("b.md", *wide, command="plan", window=8192)
    assert (short.json()["window"], short.json()["attention"], short.err) == (100_000, "dense", "")
    cli.ask("b.md", "--context", "2000000", command="plan", window=8192).failed(2, "1,048,576", "--context")


def test_people_get_a_row_for_each_document(cli):
    cli.file("a.md", "alpha\n" * 30)
    cli.file("b.md", "beta\n")
    done = cli.ask("a.md", "b.md", command="plan")
    rows = done.out.splitlines()
    plan = cli.ask("a.md", "b.md", "--json", command="plan").json()
    for row, document in zip(rows, plan["documents"], strict=False):
        assert row.split()[:2] == [document["source"], "text/markdown"]
        assert f"{document['tokens']:,}" in row
    assert f"prompt    {plan['total_tokens']:,} tokens" in done.out
    assert "not known" in done.out, "no time is invented"
    assert "\x1b" not in done.out
    assert done.err == ""


@pytest.mark.parametrize(("columns", "bar"), [(120, 24), (80, 10), (40, 0)])
def test_a_bar_on_a_terminal_where_there_is_room(cli, columns, bar):
    import os
    import pty

    cli.file("a.md", "alpha\n" * 30)
    master, slave = pty.openpty()
    process = cli.start(
        "plan",
        "-m",
        str(cli.model),
        "a.md",
        script={},
        stdout=slave,
        env={"TERM": "xterm-256color", "COLUMNS": str(columns)},
    )
    assert process.wait(timeout=30) == 0
    process.communicate()
    os.close(slave)
    shown = os.read(master, 65536).decode()
    os.close(master)
    first = shown.splitlines()[0]
    assert first.count("█") + first.count("░") == bar
    assert ("\x1b[32m█" in first) == (bar == 24)


def test_what_is_piped_in_is_planned(cli):
    plan = cli.ask("--json", command="plan", stdin="alpha\n").json()
    assert [each["source"] for each in plan["documents"]] == ["stdin"]


def test_nothing_to_plan(cli):
    cli.ask(command="plan").failed(2, "nothing to plan")
    cli.ask("missing.md", command="plan").failed(3, "missing.md")
    cli.ask("missing", command="plan").failed(3, "missing")


def test_a_model_that_is_not_here_is_not_fetched(cli):
    cli.file("a.md")
    cli.real("plan", "a.md", "-m", "smollm2-135m").failed(5, "not installed", "gemcli pull smollm2-135m")
    done = cli.real("plan", "a.md", "-m", "smollm2-135m", "--json")
    assert json.loads(done.out)["error"]["code"] == 5
    assert not (cli.home / "models").exists()


def test_no_array_library_is_loaded(cli):
    cli.file("a.md")
    code = (
        "import sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(cli.scripts)!r}); import scripted\n"
        "sys.modules['model.load'] = scripted.module(scripted.Script())\n"
        "from gemcli.main import execute; from gemcli.commands.session import Session\n"
        f"execute(['plan', 'a.md', '-m', {str(cli.model)!r}], Session())\n"
        "assert not {'jax', 'jaxlib'} & set(sys.modules), 'arrays were loaded'\n"
    )
    done = cli.python(code)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("words", "question", "files"),
    [
        (["a.md"], None, ["a.md"]),
        (["What is this?", "a.md"], "What is this?", ["a.md"]),
        (["a.md", "Why?"], "Why?", ["a.md"]),
        (["a.md", "Explain the code"], "Explain the code", ["a.md"]),
        (["my report.pdf"], None, ["my report.pdf"]),
        (["missing"], None, ["missing"]),
        (["here it is?"], None, ["here it is?"]),
        ([], None, []),
    ],
)
def test_only_what_can_be_nothing_else_is_the_question(tmp_path, monkeypatch, words, question, files):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.md").touch()
    if sys.platform != "win32":
        (tmp_path / "here it is?").touch()
    assert split_plan(words) == (question, files)


def test_pages_are_counted_not_their_passages():
    page = [{"anchor": {"page": number}} for number in (1, 1, 2)]
    assert _count(page) == "2 pages"
    assert _count(page[:2]) == "1 page"
    assert _count([{"anchor": {"seconds": [at, at + 1]}} for at in (0, 1)]) == "2 stretches"
    assert _count([{"anchor": {}}]) == "1 part"


def test_what_there_is_no_memory_for_does_not_fit(inside, tmp_path, monkeypatch):
    model = tiny.write_parrot(tmp_path / "parrot.gguf", [tiny.START, 65, tiny.END])
    (tmp_path / "a.md").write_text("gold\n")
    command = "plan", "a.md", "-m", str(model)
    assert inside(*command).out.endswith("It fits.\n")
    monkeypatch.setattr(room, "accelerators", lambda: ())
    monkeypatch.setattr(room, "available_bytes", lambda: 1000)
    done = inside(*command)
    assert done.code == 0, "it is a report"
    assert "and 0.0 MB are free" in done.err
    assert done.out.endswith("It does not fit: ask refuses it with exit code 6.\n")
    assert inside(*command, "--json").json()["fits"] is False
    assert inside("ask", "What?", *command[1:]).code == 6
    beside = Device("gpu", "one", 10**9), Device("gpu", "one that does not tell", None)
    for each in beside:
        monkeypatch.setattr(room, "accelerators", lambda each=each: (each,))
        assert inside(*command).out.endswith("It fits.\n"), "it is not this memory that is used"
