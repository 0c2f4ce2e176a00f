"""Flags: what each does, where its value may come from, and what is said of a wrong one."""

from __future__ import annotations

import sys

import pytest
import scripted

from gemcli.commands import options
from gemcli.commands.session import Session
from gemcli.ingest.wants import Wants
from gemcli.main import execute


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Run ``ask`` in this process; returns what the engine was asked."""
    monkeypatch.setitem(sys.modules, "model.load", scripted.module(scripted.Script()))
    monkeypatch.setitem(sys.modules, "model.sampling.sampler", scripted.sampling_module())
    monkeypatch.setenv("GEMCLI_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.gguf").touch()
    (tmp_path / "a.md").write_text("alpha\n")

    def run(*arguments: str):
        scripted.CALLS.clear()
        execute(["ask", "-m", "m.gguf", "What?", "a.md", *arguments], Session())
        (call,) = scripted.CALLS
        return call

    return run


def test_the_defaults(asked):
    call = asked()
    assert vars(call["sampling"]) == {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 0}
    assert (call["max_tokens"], call["stop"]) == (2048, ())


def test_every_flag_arrives(asked):
    call = asked(
        *("--temperature", "0.7", "--top-k", "40", "--top-p", "0.9", "--min-p", "0.05", "--seed", "9"),
        *("--max-tokens", "33", "--stop", "END", "--stop", "\n\n"),
    )
    assert vars(call["sampling"]) == {"temperature": 0.7, "top_k": 40, "top_p": 0.9, "min_p": 0.05, "seed": 9}
    assert (call["max_tokens"], call["stop"]) == (33, ("END", "\n\n"))


def test_flags_of_reading_are_what_is_wanted_of_files():
    assert options.as_wants() == Wants()
    assert options.as_wants("text", "1.5", "2.5", 3.0, 4, True, True, True) == Wants(
        pdf="text", start=1.5, end=2.5, fps=3.0, max_frames=4, sound=False, archive=True, offline=True
    )


def test_flag_over_variable_over_file_over_default(asked, monkeypatch, tmp_path):
    (tmp_path / "config.toml").write_text('temperature = 0.2\nmax-tokens = 20\nstop = ["A", "B c"]\n')
    call = asked()
    assert (call["sampling"].temperature, call["max_tokens"], call["stop"]) == (0.2, 20, ("A", "B c"))
    monkeypatch.setenv("GEMCLI_TEMPERATURE", "0.3")
    monkeypatch.setenv("GEMCLI_STOP", "a stop with spaces")
    call = asked()
    assert (call["sampling"].temperature, call["max_tokens"], call["stop"]) == (
        0.3,
        20,
        ("a stop with spaces",),
    )
    call = asked("--temperature", "0.4", "--stop", "Z")
    assert (call["sampling"].temperature, call["max_tokens"], call["stop"]) == (0.4, 20, ("Z",))


def test_the_file_holds_values_of_their_own_kind(asked, capfd, tmp_path):
    (tmp_path / "config.toml").write_text(
        'kv-bits = 16\nseed = 3\ntop-k = 5\nquiet = true\noutput-format = "json"\nstop = "END"\n'
        'device = "cpu"\noffline = true\nverbose = 1\ncontext = 4096\ntop-p = 1\nsystem = ""\n'
    )
    call = asked()
    assert (call["sampling"].seed, call["sampling"].top_k, call["stop"]) == (3, 5, ("END",))
    assert '"window": 4096' in capfd.readouterr().out


def test_the_file_may_spell_a_key_with_underscores(asked, tmp_path):
    (tmp_path / "config.toml").write_text("max_tokens = 21\n")
    assert asked()["max_tokens"] == 21


def test_the_instruction(asked):
    plain, ours = bytes(each for each in asked("-s", "")["ids"] if each < 256), asked()["ids"]
    assert b"system" not in plain
    assert len(ours) > len(plain)
    assert b"Be a pirate." in bytes(each for each in asked("--system", "Be a pirate.")["ids"] if each < 256)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--temperature", "-1"], ["--temperature", "0 or more"]),
        (["--temperature", "nan"], ["--temperature"]),
        (["--temperature", "inf"], ["--temperature"]),
        (["--temperature", "hot"], ["--temperature"]),
        (["--top-p", "0"], ["--top-p", "above 0 and 1 at most"]),
        (["--top-p", "1.5"], ["--top-p", "above 0 and 1 at most"]),
        (["--min-p", "2"], ["--min-p", "0 or more and 1 at most"]),
        (["--top-k", "-3"], ["--top-k"]),
        (["--max-tokens", "0"], ["--max-tokens", "1 or more"]),
        (["--context", "5"], ["--context", "16 or more"]),
        (["--device", "quantum"], ["--device", "'auto', 'cpu', 'gpu', 'tpu'"]),
        (["--overflow", "cut"], ["--overflow", "'auto', 'error', 'select'"]),
        (["--kv-bits", "4"], ["--kv-bits", "'16', '8'"]),
        (["-o", "yaml"], ["'text', 'json', 'stream-json'"]),
        (["--frobnicate"], ["--frobnicate"]),
        (["--temperature"], ["--temperature"]),
    ],
)
def test_wrong_values_are_refused(inside, arguments, words):
    inside("ask", "What?", *arguments).failed(2, *words, "hint: `gemcli ask --help`")


def test_a_wrong_value_is_said_with_its_origin(cli):
    cli.ask("What?", env={"GEMCLI_TOP_P": "7"}).failed(2, "--top-p", "GEMCLI_TOP_P")
    cli.home.mkdir()
    (cli.home / "config.toml").write_text("top-p = 7\n")
    cli.ask("What?").failed(2, "--top-p", "config.toml")
    (cli.home / "config.toml").write_text("top-q = 7\n")
    cli.ask("What?").failed(2, "config.toml", "'top-q'", "Did you mean 'top-p'?")
    (cli.home / "config.toml").write_text("top-p = \n")
    cli.ask("What?").failed(2, "config.toml, line 1")


def test_a_report_is_its_own_stream(cli):
    cli.file("a.md")
    done = cli.ask("a.md", command="plan", env={"GEMCLI_OUTPUT_FORMAT": "stream-json"})
    assert done.json()["fits"] is True


def test_what_the_parser_refuses_is_json_too(cli):
    done = cli.ask("What?", "--top-p", "7", "-o", "json")
    assert done.code == 2
    assert done.json()["error"] == {"code": 2, "message": done.json()["error"]["message"]}
    assert "--top-p" in done.json()["error"]["message"]
    assert list(done.json()) == list(cli.ask("What?", "-o", "json").json())
    assert done.json()["answer"] == ""
    stream = cli.ask("What?", "--top-p", "7", "--output-format=stream-json")
    assert [line[:16] for line in stream.out.splitlines()] == ['{"type": "error"', '{"type": "result']
    other = cli.ask("--frobnicate", "--json", command="plan").json()
    assert other == {"schema_version": 1, "error": {"code": 2, "message": "No such option: --frobnicate"}}
