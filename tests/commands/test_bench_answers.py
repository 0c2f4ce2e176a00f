"""``gemcli bench answers`` as people and scripts meet it."""

from __future__ import annotations

import json
import sys
from typing import Any

import scripted

from gemcli.commands.session import Session
from gemcli.main import execute


def run(cli, *arguments: str, **script: Any):
    words = ("bench", "answers", "-m", str(cli.model), *arguments)
    return cli.ask(*words, command="", model=False, **script)


def questions(cli) -> str:
    cli.file("notes.txt")
    lines: list[dict[str, Any]] = [
        {"files": ["notes.txt"], "question": "What is the launch code?", "expect": [r"\b7431\b"]},
        {"files": ["notes.txt"], "question": "What is the colour?", "expect": ["red"]},
        {"files": ["none.txt"], "question": "What is the size?", "expect": ["7431"]},
        {"files": ["notes.txt"], "question": "Who wrote it?", "absent": True},
    ]
    return cli.file("q/asked.jsonl", "\n".join(map(json.dumps, lines)))


def test_the_report(cli):
    path = questions(cli)
    done = run(cli, path, "--folder", ".", "-o", "json", "-v", pieces=["It is 7431."])
    assert done.code == 0, done.err
    found = done.json()
    assert (found["correct"], found["questions"]) == (1, 3)
    assert (found["absent_correct"], found["absent_questions"]) == (0, 1)
    assert [each["right"] for each in found["rows"]] == [True, False, False, False]
    assert "none.txt" in found["rows"][2]["error"]["message"]
    assert found["rows"][0]["read"]["overflow"] == "none"
    assert found["seconds"] > 0
    assert "4/4 questions" in done.err


def test_for_people(cli):
    path = questions(cli)
    done = run(cli, path, "--folder", ".", pieces=["It is not mentioned."])
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split()[:2] == ["question", "answer"]
    assert lines[4].split()[:2] == ["right", "Who"]
    assert "0 of 3 right" in done.out
    assert "1 of 1 absent facts said to be absent" in done.out
    assert done.err == ""


def test_a_bad_line(cli):
    path = cli.file("asked.jsonl", '{"files": ["a"], "question": "?"}')
    done = run(cli, path)
    done.failed(3, "asked.jsonl, line 1", "expect")


def test_the_model_is_loaded_once(cli, monkeypatch, capsys):
    path = questions(cli)
    module = scripted.module(scripted.Script())
    load, loads = module.load, []
    module.load = lambda card, **options: loads.append(card.path) or load(card, **options)
    monkeypatch.setitem(sys.modules, "model.load", module)
    monkeypatch.setitem(sys.modules, "model.sampling.sampler", scripted.sampling_module())
    monkeypatch.chdir(cli.folder)
    execute(["bench", "answers", "-m", str(cli.model), path, "--folder", ".", "-o", "json"], Session())
    found = json.loads(capsys.readouterr().out)
    assert [each["error"] is None for each in found["rows"]] == [True, True, False, True]
    assert loads == [cli.model]
