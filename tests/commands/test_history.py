"""Conversations: kept, shown, gone on with, and removed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import scripted


@pytest.fixture
def run(inside, cli, monkeypatch):
    """Run a command line in this process, with the scripted model."""
    monkeypatch.setitem(sys.modules, "model.sampling.sampler", scripted.sampling_module())

    def go(*arguments, **script):
        monkeypatch.setitem(sys.modules, "model.load", scripted.module(scripted.Script(**script)))
        return inside(*arguments)

    return go


@pytest.fixture
def talk(run, cli):
    """Ask, with the JSON result."""

    def ask(*arguments, model=True, **script):
        named = ["-m", str(cli.model)] if model else []
        done = run("ask", *named, *arguments, "-o", "json", **script)
        assert done.code == 0, done.err
        return done.json()

    return ask


@pytest.fixture
def prompt(run, cli):
    """Ask; the prompt that the scripted model was given, as text, and stderr."""

    def ask(*arguments, model=True):
        done = run("ask", *(["-m", str(cli.model)] if model else []), *arguments)
        assert done.code == 0, done.err
        return bytes(each for each in scripted.CALLS[-1]["ids"] if each < 256).decode(), done.err

    return ask


@pytest.fixture
def history(inside):
    """What a history command says, as JSON."""

    def look(*arguments):
        done = inside("history", *arguments, "-o", "json")
        assert done.code == 0, done.err
        return done.json()

    return look


def test_a_conversation(cli, talk, history, inside):
    first = talk("What is the code?", cli.file("a.md"), "--system", "Be kind.", "--temperature", "0.5")
    other = talk("Something else?")
    assert first["id"] != other["id"]
    listed = history("list")["conversations"]
    assert [(each["id"], each["turns"], each["question"]) for each in listed] == [
        (other["id"], 1, "Something else?"),
        (first["id"], 1, "What is the code?"),
    ]
    assert history("list", "-n", "1")["conversations"] == listed[:1]
    again = talk("Are you sure?", "--cid", first["id"][:20], model=False)
    assert again["id"] == first["id"]
    shown = history("show", first["id"])
    assert [turn["question"] for turn in shown["turns"]] == ["What is the code?", "Are you sure?"]
    one, two = shown["turns"]
    assert (one["answer"], one["system"], one["options"]["temperature"]) == ("Hello world.", "Be kind.", 0.5)
    assert (one["documents"][0]["source"], one["documents"][0]["path"]) == ("a.md", str(cli.folder / "a.md"))
    assert (two["system"], two["documents"]) == ("Be kind.", [])
    assert "temperature" not in two["options"]
    text = inside("history", "show", first["id"]).out
    assert "> What is the code?\n\nHello world.\n" in text
    assert "Files: a.md\n" in text
    assert history("list")["conversations"][0]["id"] == first["id"], "it is the newest again"


def test_the_newest_goes_on_with_what_it_was_shown(cli, talk, prompt):
    talk("What is the code?", cli.file("a.md"), "-s", "Be kind.")
    (cli.folder / "a.md").unlink()
    sent, err = prompt("-c", "And then?", model=False)
    assert (sent.index("Be kind."), err) == (sent.index("system\n") + 7, "")
    places = [sent.index(word) for word in ("code is 7431", "What is the code?", "Hello world.", "And then?")]
    assert places == sorted(places)
    sent, err = prompt("-c", "-s", "Be rude.", "And now?", model=False)
    assert "Be rude." in sent
    assert "Be kind." not in sent
    assert sent.index("And then?") < sent.index("And now?")


def test_a_file_that_changed_is_told(cli, talk, prompt):
    talk("What is the code?", cli.file("a.md"), cli.file("b.md"))
    cli.file("a.md", "The launch code is 9999.\n")
    os.utime(cli.folder / "b.md")
    result = talk("Sure?", "-c", model=False)
    assert result["warnings"] == [
        "a.md has changed since this conversation read it, and goes on with what it was then"
    ]
    assert "7431" in prompt("-c", "Sure?", model=False)[0]


def test_what_cannot_go_on(cli, inside):
    inside("ask", "-c", "What?").failed(2, "no conversation to continue")
    inside("ask", "--cid", "01abc", "What?").failed(2, "no conversation '01abc'", "history list")
    assert not (cli.home / "history").exists()


def test_nothing_is_kept_where_that_is_not_wanted(cli, talk):
    for flag in ("--no-log", "--private"):
        talk("Secret?", flag)
    assert not (cli.home / "history").exists()
    (cli.home).mkdir(exist_ok=True)
    (cli.home / "config.toml").write_text("no-log = true\n")
    talk("Secret?")
    assert not (cli.home / "history").exists()


def test_examples_are_turns(cli, history, prompt):
    cli.file("x=1.md", "sunny")
    cli.file("b.md", "rainy")
    asked = ("Good?", cli.file("a.md"), "--example", "x=1.md=yes=sure", "--example", "b.md=no")
    sent, _ = prompt(*asked)
    words = ("sunny", "Good?", "yes=sure", "rainy", "no", "7431", "Good?")
    at = 0
    for word in words:
        at = sent.index(word, at) + len(word)
    turns = history("show")["turns"]
    assert [(turn["kind"], turn["answer"]) for turn in turns] == [
        ("example", "yes=sure"), ("example", "no"), ("asked", "Hello world."),
    ]  # fmt: skip
    sent, _ = prompt("-c", "Why?", model=False)
    assert sent.index("sunny") < sent.index("rainy") < sent.index("7431") < sent.index("Why?")
    assert history("list")["conversations"][0]["turns"] == 2


@pytest.mark.parametrize(
    ("example", "code", "words"),
    [
        ("gone.md=yes", 3, ["gone.md: no such file", "FILE=ANSWER"]),
        ("a.md", 2, ["there is no answer"]),
        ("a.md=", 2, ["there is no answer"]),
        ("=yes", 2, ["there is no file"]),
    ],
)
def test_examples_that_are_none(cli, inside, example, code, words):
    inside("ask", "-m", "m.gguf", "Good?", cli.file("a.md"), "--example", example).failed(code, *words)


def test_failed_and_interrupted_answers_are_marked(cli, run, history, prompt, inside):
    failed = run(
        "ask", "-m", str(cli.model), "Why?", cli.file("a.md"), fail=("prefill", "RuntimeError", "boom")
    )
    assert failed.code != 0
    process = cli.start(
        "ask", "-m", str(cli.model), "Count?", "--raw", script={"pieces": ["one "] * 500, "delay": 0.02}
    )
    assert process.stdout is not None
    assert process.stdout.read(4) == b"one "
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    interrupted, broken = history("list")["conversations"]
    assert (interrupted["question"], interrupted["finish_reason"]) == ("Count?", "interrupt")
    assert (broken["question"], broken["finish_reason"]) == ("Why?", None)
    assert "(interrupted)" in inside("history", "show", interrupted["id"]).out
    assert "(failed: " in inside("history", "show", broken["id"]).out
    sent, _ = prompt("-c", "Go on.", model=False)
    assert "one" in sent[sent.index("Count?") : sent.index("Go on.")]
    inside("ask", "--cid", broken["id"], "What?").failed(2, "was answered")


def test_a_locked_history_does_not_keep_the_answer(cli, talk, history):
    talk("First?")
    lock = sqlite3.connect(cli.home / "history" / "history.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    result = talk("Second?")
    lock.execute("ROLLBACK")
    lock.close()
    assert time.monotonic() - began < 15
    assert result["answer"] == "Hello world."
    (said,) = result["warnings"]
    assert said.startswith("this answer is not in the history: the history ")
    assert "locked" in said
    assert [each["question"] for each in history("list")["conversations"]] == ["First?"]


def test_a_damaged_history_is_told_and_begun_anew(cli, talk, history):
    talk("First?")
    path = cli.home / "history" / "history.db"
    path.write_bytes(b"\xff" * 9000)
    result = talk("Second?")
    (said,) = result["warnings"]
    assert said.startswith("the history was damaged: it is kept as ")
    assert [each["question"] for each in history("list")["conversations"]] == ["Second?"]
    (aside,) = path.parent.glob("damaged-*.db")
    assert aside.read_bytes() == b"\xff" * 9000


def test_a_home_that_cannot_be_written_costs_a_warning(cli, talk):
    cli.home.mkdir()
    (cli.home / "history").write_text("in the way")
    result = talk("What?")
    assert result["answer"] == "Hello world."
    assert "this answer is not in the history: cannot create the folder" in " ".join(result["warnings"])


def test_search(talk, history, inside):
    first = talk("Where is the café?")
    talk("Who?", pieces=["Ada ", "Lovelace"])
    assert [each["id"] for each in history("search", "cafe")["turns"]] == [first["id"]]
    assert history("search", "ada", "love")["turns"][0]["answer"] == "Ada Lovelace"
    table = inside("history", "search", "where", "is").out.splitlines()
    assert table[0].split() == ["id", "at", "question", "answer"]
    assert len(table) == 2
    nothing = inside("history", "search", "zebra")
    assert (nothing.code, nothing.out, nothing.err) == (1, "", "gemcli: nothing is found\n")


def test_removing(cli, talk, history, inside):
    ids = [talk(f"Question {number}?")["id"] for number in range(4)]
    inside("history", "rm", ids[0]).failed(2, "nothing is deleted unasked", "--yes")
    inside("history", "rm").failed(2, "what is to be deleted?")
    inside("history", "rm", "--all", ids[0]).failed(2, "one of these")
    inside("history", "rm", "-y", "zzz").failed(2, "no conversation 'zzz'")
    inside("history", "rm", "--older-than", "soon").failed(2, "'soon' is no age")
    assert history("rm", "-y", ids[0], ids[0][-8:])["removed"] == [ids[0]]
    assert history("rm", "--older-than", "1h")["removed"] == []
    with sqlite3.connect(cli.home / "history" / "history.db") as database:
        database.execute("UPDATE conversations SET last = last - 7200 WHERE id = ?", (ids[1],))
    database.close()
    assert history("rm", "--older-than", "1h", "-y")["removed"] == [ids[1]]
    assert inside("history", "rm", "--all", "--yes").err == "gemcli: 2 conversations are deleted\n"
    assert history("list")["conversations"] == []
    assert inside("history", "list").err == "gemcli: the history is empty\n"
    inside("history", "show").failed(2, "the history is empty")


def test_the_whole_history_is_all_of_it(cli, talk, history, inside):
    talk("What?")
    kept = [cli.home / "history" / "damaged-20260101-000000.db", cli.home / "chat-lines"]
    for path in kept:
        path.write_text("What?")
    with sqlite3.connect(cli.home / "history" / "history.db") as database:
        (id,) = database.execute("SELECT id FROM conversations").fetchone()
    database.close()
    assert history("rm", "-y", id)["files"] == []
    assert all(path.exists() for path in kept)
    inside("history", "rm", "--all").failed(2, "nothing is deleted unasked")
    assert history("rm", "--all", "-y") == {
        "schema_version": 1,
        "removed": [],
        "files": [str(path) for path in kept],
    }
    assert not any(path.exists() for path in kept)


def test_many_answers_at_once_are_all_kept(cli, history):
    asked = [cli.start("ask", "-m", str(cli.model), f"Number {each}?", script={}) for each in range(4)]
    for process in asked:
        process.communicate(timeout=60)
        assert process.returncode == 0
    found = {each["question"] for each in history("list")["conversations"]}
    assert found == {f"Number {each}?" for each in range(4)}


def test_the_database_is_not_looked_at_before_the_answer(cli):
    code = (
        "import sys; sys.path.insert(0, {scripts!r}); import scripted\n"
        "script = scripted.Script()\n"
        "sys.modules['model.load'] = module = scripted.module(script)\n"
        "sys.modules['model.sampling.sampler'] = scripted.sampling_module()\n"
        "describe = module.describe\n"
        "def look(path):\n    assert 'sqlite3' not in sys.modules\n    return describe(path)\n"
        "module.describe = look\n"
        "from gemcli.main import execute\nfrom gemcli.commands.session import Session\n"
        "execute(['ask', '-m', {model!r}, 'What?'], Session())\n"
        "assert 'sqlite3' in sys.modules\n"
    )
    done = cli.python(code.format(scripts=str(cli.scripts), model=str(cli.model)))
    assert done.code == 0, done.err


def test_control_sequences_are_neutralized(talk, inside):
    talk("\x1b[31mred\x1b[0m?", pieces=["\x1b]0;title\x07", "text"])
    for command in (["list"], ["show"], ["search", "text"]):
        assert "\x1b" not in inside("history", *command).out


def test_json_on_failure(inside):
    done = inside("history", "show", "-o", "json")
    assert done.code == 2
    assert json.loads(done.out) == {
        "schema_version": 1,
        "error": {"code": 2, "message": "the history is empty"},
    }


def test_a_terminal_is_asked(cli, talk, history):
    import pty

    talk("What?")
    for answer, left in (("n\n", 1), ("y\n", 0)):
        main, side = pty.openpty()
        process = subprocess.Popen(
            [*cli.start_words("ask")[:1], "-m", "gemcli", "history", "rm", "--all"],
            cwd=cli.folder, env=cli.environment, stdin=side, stdout=subprocess.PIPE, stderr=side,
        )  # fmt: skip
        os.close(side)
        said = b""
        while b"[y/N]" not in said:
            said += os.read(main, 1000)
        assert b"Delete 1 conversation for good?" in said
        os.write(main, answer.encode())
        process.communicate(timeout=30)
        os.close(main)
        assert process.returncode == (1 if left else 0)
        assert len(history("list")["conversations"]) == left
