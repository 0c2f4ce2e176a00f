"""``gemcli batch`` as scripts meet it: one record a file, and a kill costs nothing but time."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest


def run(cli: Any, *arguments: str, stdin: str | None = None, **script: Any) -> Any:
    """``gemcli batch`` with a model that says a number made from the prompt."""
    return cli.ask(*arguments, command="batch", stdin=stdin, echo=True, **script)


def records(text: str) -> list[dict[str, Any]]:
    return sorted(map(json.loads, text.splitlines()), key=lambda each: each["source"])


def test_every_file_becomes_a_line(cli: Any) -> None:
    for number in range(5):
        cli.file(f"in/{number}.txt", f"Number {number}.\n")
    done = run(cli, "Which number?", "in")
    assert done.code == 0
    found = records(done.out)
    assert [each["source"] for each in found] == [f"in/{number}.txt" for number in range(5)]
    assert len({each["answer"] for each in found}) == 5
    assert all(
        each["status"] == "ok" and each["error"] is None and len(each["sha256"]) == 64 for each in found
    )
    assert "without --out" in done.err


def test_one_that_cannot_be_read_fails_alone(cli: Any) -> None:
    cli.file("a.txt")
    cli.file("b.pdf", b"%PDF-1.4 cut short")
    done = run(cli, "What?", "a.txt", "b.pdf", "gone.txt", "--out", "o.jsonl")
    assert done.code == 3
    assert done.out == ""
    found = records((cli.folder / "o.jsonl").read_text())
    assert [(each["source"], each["status"]) for each in found] == [
        ("a.txt", "ok"), ("b.pdf", "error"), ("gone.txt", "error"),
    ]  # fmt: skip
    assert found[2]["error"] == {"code": 3, "message": "gone.txt: no such file"}
    cli.file("gone.txt", "It came back.")
    again = run(cli, "What?", "a.txt", "gone.txt", "--out", "o.jsonl", "--retry", "-o", "json")
    assert again.code == 0
    assert json.loads(again.out)["done"] == 1
    assert json.loads(again.out)["skipped"] == 1
    found = records((cli.folder / "o.jsonl").read_text())
    assert [(each["source"], each["status"]) for each in found] == [("a.txt", "ok"), ("gone.txt", "ok")]


def test_lines_are_records(cli: Any) -> None:
    done = run(cli, "Which?", "--lines", stdin="one\n\ntwo\none\n")
    found = records(done.out)
    assert [each["source"] for each in found] == ["stdin L1", "stdin L3", "stdin L4"]
    assert done.code == 0


def test_another_question_is_another_answer(cli: Any) -> None:
    cli.file("a.txt")
    for question in ("Who?", "When?", "Who?"):
        assert run(cli, question, "a.txt", "--out", "o.jsonl").code == 0
    assert run(cli, "Who?", "a.txt", "--out", "o.jsonl", "--seed", "7").code == 0
    found = records((cli.folder / "o.jsonl").read_text())
    assert len(found) == 3
    assert len({each["key"] for each in found}) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.txt"], "what is the question"),
        (["What?", "a.txt", "--retry"], "--out"),
        (["What?", "a.txt", "--out", "a.txt"], "something else"),
    ],
)
def test_what_makes_no_sense_is_refused(cli: Any, arguments: list[str], said: str) -> None:
    cli.file("a.txt")
    done = run(cli, *arguments)
    assert done.code == 2
    assert said in done.err
    assert (cli.folder / "a.txt").read_text() == "The launch code is 7431.\n"


def test_killed_five_times_it_ends_as_if_undisturbed(cli: Any) -> None:
    for number in range(200):
        cli.file(f"in/{number:03}.txt", f"Number {number}.\n" * (1 + number % 7))
    script = {"echo": True, "delay": 0.02}
    words = ("batch", "Which number?", "in", "-m", str(cli.model), "--out")
    whole = run(cli, "Which number?", "in", "--out", "whole.jsonl", delay=0.02)
    assert whole.code == 0
    chance = random.Random(7)
    torn = cli.folder / "torn.jsonl"
    kills = 0
    while kills < 5:
        before = len(torn.read_bytes()) if torn.exists() else 0
        process = cli.start(*words, torn.name, script=script)
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:  # until it writes
            if torn.exists() and len(torn.read_bytes()) > before:
                break
            time.sleep(0.005)
        time.sleep(chance.random() * 0.1)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        with torn.open("r+b") as file:  # the kernel keeps what was written; a crash of the machine may not
            file.truncate(max(0, len(torn.read_bytes()) - chance.randrange(40)))
    assert run(cli, "Which number?", "in", "--out", torn.name, delay=0.02).code == 0
    expected = records((cli.folder / "whole.jsonl").read_text())
    assert len(expected) == 200
    assert records(torn.read_text()) == expected


def test_a_reader_that_goes_away_ends_it(cli: Any, tmp_path: Path) -> None:
    for number in range(50):
        cli.file(f"in/{number}.txt", f"Number {number}.\n")
    process = cli.start(
        "batch",
        "Which?",
        "in",
        "-m",
        str(cli.model),
        script={"echo": True, "delay": 0.02},
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) == 141
