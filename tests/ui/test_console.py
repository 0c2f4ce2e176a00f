"""What commands print that is no answer."""

import io
import json
import sys
import time

import pytest

from gemcli.errors import UsageError
from gemcli.ui import confirm, emit_json, emit_table, emit_text, say, show_error, show_warning


def test_json(capsys):
    emit_json({"a": "é\x1b[1m", "b": [1.5, None]})
    text = capsys.readouterr().out
    assert text.endswith("}\n")
    assert json.loads(text) == {"a": "é", "b": [1.5, None]}


def test_text(capsys):
    emit_text("line\x1b[31m one\nline two")
    emit_text("done\n")
    emit_text("")
    assert capsys.readouterr().out == "line one\nline two\ndone\n"


def test_table(capsys):
    emit_table(["name", "size"], [["smollm2", 98], ["中文", None], ["evil\x1b[2J\n", 1000]], right=[1])
    assert capsys.readouterr().out.splitlines() == [
        "name     size",
        "smollm2    98",
        "中文        -",
        "evil     1000",
    ]


def test_notes(capsys):
    say("pulling")
    show_warning("careful")
    show_error(UsageError("no such\nmodel", "Try: gemcli models list"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "gemcli: pulling",
        "gemcli: warning: careful",
        "gemcli: error: no such model",
        "gemcli: hint: Try: gemcli models list",
    ]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (b"y\n", True),
        (b"YES\n", True),
        (b"n\n", False),
        (b"\n", False),
        (b"\x04", False),
        (b"yellow\n", False),
    ],
)
def test_confirm_on_a_terminal(kit, typed, expected):
    with kit.PseudoTerminal() as terminal:
        process = kit.produce(
            'emit_json(confirm("Remove it?"))',
            stdin=terminal.slave,
            stdout=terminal.slave,
            stderr=terminal.slave,
        )
        while b"[y/N]" not in terminal.output():
            assert process.poll() is None
        terminal.type(typed)
        assert process.wait(timeout=20) == 0
        lines = terminal.sync().transcript()
    assert lines[0].startswith("Remove it? [y/N]")
    assert lines[-1] == str(expected).lower()


def test_asking_and_telling_while_a_bar_is_drawn(kit):
    """The bar goes out of the way, does not draw over the question, and comes back."""
    script = (
        'ui(Progress("ingest", 1, 2, "files"));time.sleep(0.3);say("by the way")\n'
        'time.sleep(0.3);answer = confirm("Download it?");time.sleep(0.3)\n'
        "ui(Token(str(answer)))"
    )
    with kit.PseudoTerminal() as terminal:
        process = kit.produce(script, stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave)
        while b"[y/N]" not in terminal.output():
            assert process.poll() is None
        time.sleep(0.5)
        assert terminal.sync().transcript() == ["gemcli: by the way", "Download it? [y/N]"]
        terminal.type(b"y\n")
        assert process.wait(timeout=20) == 0
        assert terminal.sync().transcript() == ["gemcli: by the way", "Download it? [y/N] y", "True"]
        assert terminal.output().rindex(b"reading") > terminal.output().index(b"[y/N]")


def test_confirm_without_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert confirm("Remove it?") is False
    monkeypatch.setattr(sys, "stdin", None)
    assert confirm("Remove it?") is False
    assert capsys.readouterr().err == ""
