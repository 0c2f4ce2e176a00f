"""What a template and a conversation set beforehand, and what wins over what."""

from __future__ import annotations

import sys

import pytest
import scripted


@pytest.fixture
def asked(inside, cli, monkeypatch):
    """Ask in this process; returns what the engine was asked, and the prompt as text."""
    monkeypatch.setitem(sys.modules, "model.load", scripted.module(scripted.Script()))
    monkeypatch.setitem(sys.modules, "model.sampling.sampler", scripted.sampling_module())
    cli.home.mkdir()

    def ask(*arguments):
        scripted.CALLS.clear()
        done = inside("ask", *arguments)
        assert done.code == 0, done.err
        (call,) = scripted.CALLS
        return call, bytes(each for each in call["ids"] if each < 256).decode()

    return ask


def write(cli, text):
    return cli.file("t.yaml", text)


def test_a_template(asked, cli):
    template = write(
        cli,
        f"model: {cli.model}\nsystem: You speak $language.\nprompt: Sum up in $lines lines.\n"
        "options: {max-tokens: 31, temperature: 0.5, stop: [END]}\ndefaults: {lines: 3}\n",
    )
    call, sent = asked("-t", template, "-p", "language=French", cli.file("a.md"))
    assert (call["max_tokens"], call["sampling"].temperature, call["stop"]) == (31, 0.5, ("END",))
    assert "You speak French." in sent
    assert "code is 7431" in sent
    assert "Sum up in 3 lines." in sent
    _, sent = asked("-t", template, "-p", "language=a=b", "-p", "lines=9", "a.md", "Only the names.")
    assert "You speak a=b." in sent
    assert "Sum up in 9 lines.\n\nOnly the names." in sent


def test_what_wins(asked, cli, monkeypatch):
    template = write(
        cli, f"model: {cli.model}\nprompt: Hm\noptions: {{max-tokens: 31}}\nsystem: Of the template.\n"
    )
    (cli.home / "config.toml").write_text('max-tokens = 11\ntop-k = 12\nsystem = "Of the file."\n')
    monkeypatch.setenv("GEMCLI_MAX_TOKENS", "21")
    monkeypatch.setenv("GEMCLI_SYSTEM", "Of the variable.")
    call, sent = asked("-t", template)
    assert (call["max_tokens"], call["sampling"].top_k) == (31, 12)
    assert "Of the template." in sent
    call, sent = asked("-t", template, "--max-tokens", "41", "-s", "Of the flag.")
    assert call["max_tokens"] == 41
    assert "Of the flag." in sent
    call, sent = asked("-c", "And?")
    assert call["max_tokens"] == 21, "how an answer is chosen does not go on"
    assert "Of the flag." in sent
    _, sent = asked("-c", "-t", template, "And?")
    assert "Of the template." in sent
    monkeypatch.setenv("GEMCLI_TEMPLATE", template)
    assert asked()[0]["max_tokens"] == 31


def test_a_question_takes_its_place(asked, cli):
    template = write(cli, f"model: {cli.model}\nprompt: 'Explain $input to a child.'\n")
    assert "Explain rain to a child." in asked("-t", template, "rain")[1]
    assert "Explain why it rains to a child." in asked("-t", template, "why it rains", cli.file("a.md"))[1]


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("prompt: $a $b", ["-t", "t.yaml"], ["'a', 'b'", "-p a=… -p b=…"]),
        ("prompt: $a", ["-t", "t.yaml", "-p", "c=1", "-p", "a=1"], ["no blank called 'c'", "It has: a."]),
        ("prompt: x", ["-t", "t.yaml", "-p", "a"], ["'a' is no name=value"]),
        ("prompt: x", ["-p", "a=1", "What?"], ["there is no template", "-t NAME"]),
        ("prompt: x\nfoo: 1", ["-t", "t.yaml"], ["unknown key 'foo'"]),
        ("prompt: x\noptions: {foo: 1, cid: x}", ["-t", "t.yaml"], ["sets 'foo', 'cid'", "`gemcli ask`"]),
        ("prompt: x\noptions: {top-p: 7}", ["-t", "t.yaml"], ["template t.yaml: ", "--top-p"]),
        ("prompt: x\noptions: {device: moon}", ["-t", "t.yaml"], ["the template t.yaml: ", "'moon'"]),
        ("prompt: x", ["-t", "sumarize"], ["no template 'sumarize'", "Did you mean 'summarize'?"]),
        ("prompt: x", ["-t", "t.yaml", "gone.md"], []),
        ("prompt: $input", ["-t", "t.yaml", "a.md"], ["what is the question?"]),
    ],
)  # fmt: skip
def test_what_is_refused(inside, cli, text, arguments, words):
    write(cli, text)
    cli.file("a.md")
    done = inside("ask", "-m", str(cli.model), *arguments)
    done.failed(3 if "gone.md" in arguments else 2, *words)


def test_templates_are_saved_shown_and_removed(inside, cli):
    words = ["--prompt", "Like a $who: $input", "--default", "who=pirate", "--option", "max-tokens=9"]
    saved = inside("templates", "save", "pirate", *words)
    path = cli.home / "templates" / "pirate.yaml"
    assert (saved.code, saved.err) == (0, f"gemcli: pirate is saved as {path}\n")
    shown = inside("templates", "show", "pirate").out
    assert shown == path.read_text()
    assert inside("templates", "show", "pirate", "--json").json()["options"] == {"max-tokens": 9}
    rows = {row["name"]: row for row in inside("templates", "list", "-o", "json").json()["templates"]}
    assert (rows["pirate"]["own"], rows["pirate"]["takes_question"], rows["translate"]["needs"]) == (
        True,
        True,
        ["to"],
    )
    table = inside("templates", "list").out
    assert "-p to=…" in table
    inside("templates", "save", "pirate", "--prompt", "x").failed(2, "already", "--force")
    assert inside("templates", "save", "copy", str(path)).code == 0
    assert (cli.home / "templates" / "copy.yaml").read_text() == shown
    inside("templates", "save", "bad", "--option", "foo=1").failed(2, "'foo'")
    inside("templates", "save", "bad", "--prompt", "x", "--option", "max-tokens=many").failed(
        2, "'--max-tokens'"
    )
    flags = ("--option", "stop=no", "--option", "cite=true", "--option", "seed=7")
    assert inside("templates", "save", "kinds", "--prompt", "x", *flags).code == 0
    assert inside("templates", "show", "kinds", "-o", "json").json()["options"] == {
        "stop": "no",
        "cite": True,
        "seed": 7,
    }
    assert inside("templates", "rm", "kinds", "-y").code == 0
    inside("templates", "save", "bad", "--prompt", "x", str(path)).failed(2, "not of both")
    inside("templates", "save", "a/b", "--prompt", "x").failed(2, "cannot be a template's name")
    inside("templates", "rm", "pirate").failed(2, "--yes")
    inside("templates", "rm", "-y", "pirate", "label").failed(2, "label came with gemcli")
    assert path.exists(), "all or nothing"
    assert inside("templates", "rm", "-y", "pirate", "copy").code == 0
    assert list(path.parent.iterdir()) == []


def test_a_damaged_template_spoils_no_list(inside, cli):
    cli.file("home/templates/bad.yaml", "prompt: [")
    done = inside("templates", "list")
    assert done.code == 0
    assert "minutes" in done.out
    assert "the template bad, line 1, is not valid YAML" in done.err
