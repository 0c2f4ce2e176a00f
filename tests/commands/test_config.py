"""Every flag of ``ask`` has a variable and a key in the file: flag > variable > file > default."""

from __future__ import annotations

import json

import pytest

from gemcli.commands.session import Session
from gemcli.commands.tree import command_tree

ELSEWHERE = ("model",)
"""Read where it is needed: the default model has rules of its own."""

LOOKED_UP = ("template", "param", "cid", "continue_")
"""What these name must be there before anything else is looked at; `test_presets` has them."""

ASK = command_tree().commands["ask"]
FLAGS = [
    param
    for param in ASK.params
    if param.param_type_name != "argument"
    and param.name not in LOOKED_UP
    and len(param.type_descriptor.choices or "many") > 1  # one choice is the default
]


def parsed(*arguments):
    """The parameters of ``ask``, whose words are these."""
    group = command_tree()
    with (
        group.make_context("gemcli", ["ask", "What?", *arguments], obj=Session()) as context,
        group.commands["ask"].make_context("ask", ["What?", *arguments], parent=context) as inner,
    ):
        return inner.params


def values(param):
    """Three values that the flag may have, as words, none of them its default."""
    choices = param.type_descriptor.choices
    if choices:
        others = [str(each) for each in choices if each != param.default]
        return [others[number % len(others)] for number in range(3)]
    if param.is_flag:
        return ["true", "true", ""]
    if param.count:
        return ["1", "2", "-vvv"]
    if param.name in ("top_p", "min_p"):
        return ["0.25", "0.5", "0.75"]
    return ["17", "18", "19"]


def spelt(param):
    """Its long name, its variable, its key."""
    long = next(name for name in param.opts if name.startswith("--"))
    return long, f"GEMCLI_{long[2:].upper().replace('-', '_')}", long[2:]


@pytest.mark.parametrize("param", FLAGS, ids=lambda param: param.name)
def test_a_flag_has_a_variable_and_a_key(param, home, monkeypatch):
    long, variable, key = spelt(param)
    in_file, in_variable, as_flag = values(param)
    switch = param.is_flag or param.count

    def meant(word):
        """What the parser makes of a word."""
        return parsed(*([word] if param.count else [long] if param.is_flag else [long, word]))[param.name]

    default = parsed()[param.name]
    if param.name not in ELSEWHERE:
        kept = in_file if switch or isinstance(param.default, float) else json.dumps(in_file)
        expected = 1 if param.count else meant(in_file)
        (home / "config.toml").write_text(f"{key} = {kept}\n")
        assert parsed()[param.name] == expected != default
    monkeypatch.setenv(variable, in_variable)
    found = parsed()[param.name]
    monkeypatch.delenv(variable)
    assert found == (2 if param.count else meant(in_variable)) != default
    monkeypatch.setenv(variable, in_variable)
    if param.is_flag:
        return
    found = meant(as_flag)
    monkeypatch.delenv(variable)
    assert found == meant(as_flag) != default


def test_the_form_of_the_output_that_was_asked_for_last(cli, inside, monkeypatch):
    def form(*words):
        out = inside("templates", "list", *words).out
        return "json" if out.startswith("{") else "text"

    cli.home.mkdir()
    (cli.home / "config.toml").write_text("json = true\n")
    assert [form(), form("-o", "text"), form("-o", "json")] == ["json", "text", "json"]
    monkeypatch.setenv("GEMCLI_OUTPUT_FORMAT", "text")
    assert [form(), form("--json"), form("-o", "text", "--json")] == ["text", "json", "json"]
    monkeypatch.setenv("GEMCLI_JSON", "1")
    assert [form(), form("-o", "text")] == ["json", "text"]


def test_an_unknown_key_is_reported_once(inside, cli):
    cli.home.mkdir()
    (cli.home / "config.toml").write_text("temprature = 1\n")
    done = inside("ask", "What?")
    done.failed(2, "'temprature'", "Did you mean 'temperature'?")
    assert done.err.count("gemcli: ") == 2, "an error and its hint"


@pytest.mark.parametrize("key", ["yes", "all", "older-than", "prompt", "force", "option"])
def test_what_is_no_setting_has_no_key(inside, cli, key):
    cli.home.mkdir()
    (cli.home / "config.toml").write_text(f"{key} = true\n")
    inside("ask", "What?").failed(2, f"{key!r}")
