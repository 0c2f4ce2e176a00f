"""The completion scripts are those of the commands as they are, and real shells understand them."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gemcli.commands.completions import script
from gemcli.commands.tree import command_tree
from gemcli.completion.names import LISTS, WORD
from gemcli.completion.spec import read, sentence
from gemcli.history.store import append
from gemcli.history.values import Record

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "completions"
FILES = {"bash": "gemcli.bash", "zsh": "_gemcli", "fish": "gemcli.fish"}
MODELS = [
    "qwen2.5-coder-1.5b",
    "qwen2.5-coder-0.5b",
    "smollm2-135m",
    "gemma-3-270m",
    "whisper-base",
    "whisper-tiny.en",
]
COMMANDS = list(command_tree().commands)

LINES = [
    ("gemcli ", COMMANDS),
    ("gemcli --debug do", ["doctor"]),
    ("gemcli pla", ["plan"]),
    ("gemcli models ", ["list", "show", "rm"]),
    ("gemcli ask --mo", ["--model"]),
    ("gemcli --ma", ["--max-frames", "--max-tokens"]),
    ("gemcli 'a question' --ra", ["--raw"]),
    ("gemcli ask -m smollm2-13", ["smollm2-135m"]),
    ("gemcli ask --model gemma-3-270", ["gemma-3-270m"]),
    ("gemcli pull qwen2.5-c", MODELS[:2]),
    ("gemcli models rm gemma-3-270", ["gemma-3-270m"]),
    ("gemcli ask -m whis", []),
    ("gemcli pull whis", MODELS[4:]),
    ("gemcli transcribe -m ", ["whisper-base", "whisper-tiny.en"]),
    ("gemcli transcribe --format ", ["txt", "srt", "vtt", "json"]),
    ("gemcli transcribe note", ["notes.md"]),
    ("gemcli ask -o ", ["text", "json", "stream-json"]),
    ("gemcli plan -o ", ["text", "json"]),
    ("gemcli ask --device g", ["gpu"]),
    ("gemcli completions ", ["bash", "zsh", "fish"]),
    ("gemcli ask note", ["notes.md"]),
    ("gemcli note", ["notes.md"]),
    ("gemcli ask -a note", ["notes.md"]),
    ("gemcli doctor --j", ["--json"]),
    ("gemcli ask --temperature ", []),
    ("gemcli ask -t summ", ["summarize"]),
    ("gemcli ask -t note", ["notes.md"]),
    ("gemcli -t my", ["my-own"]),
    ("gemcli templates show m", ["minutes", "my-own"]),
    ("gemcli templates rm my", ["my-own"]),
    ("gemcli ask -c --cid 01bb", ["01bbb"]),
    ("gemcli history show ", ["01bbb", "01aaa"]),
    ("gemcli history rm -y 01aaa 01", ["01bbb", "01aaa"]),
    ("gemcli history search --n", ["--number"]),
]
"""What is typed, and every word that is proposed for its end."""


@pytest.mark.parametrize("shell", FILES)
def test_the_files_are_up_to_date(shell):
    kept = (FOLDER / FILES[shell]).read_text("utf-8")
    assert kept == script(shell), f"run: gemcli completions {shell} > completions/{FILES[shell]}"


def test_everything_that_can_be_said_is_there():
    group = command_tree()
    top = read(group, MODELS)
    lines = [each.line for each in top.all()]
    assert lines[0] == ""
    assert [line for line in lines[1:] if " " not in line] == COMMANDS
    assert {"models list", "models rm", "history search", "templates save", "bench speed"} <= set(lines)
    ask = next(each for each in top.commands if each.line == "ask")
    spelt = {name for flag in ask.flags for name in flag.names}
    real = {name for param in group.commands["ask"].params for name in param.opts if name.startswith("-")}
    assert spelt == real | {"-h", "--help"}
    assert spelt <= {name for flag in top.flags for name in flag.names}
    assert {flag.value.kind for flag in ask.flags} == {"none", "text", "file", "named", "words"}


def test_only_models_that_answer_are_proposed_to_be_asked():
    top = read(command_tree(), ["a"], ["b"])
    proposed = {
        (each.line, value.words)
        for each in top.all()
        for value in (each.arguments, *(flag.value for flag in each.flags))
        if {"a", "b"}.intersection(value.words)
    }
    every = {(line, ("a", "b")) for line in ("pull", "models show", "models rm", "cache show", "cache rm")}
    assert every < proposed
    assert {words for _, words in proposed - every} == {("a",)}
    assert {"", "ask", "plan", "bench speed", "bench answers"} <= {line for line, _ in proposed}


def test_a_sentence():
    assert sentence("Tokens at most.  [default: 3]") == "Tokens at most"
    assert sentence("Tokens at most  [default: 3]") == "Tokens at most"
    assert sentence("Of gemcli.toml\nand others. More.") == "Of gemcli.toml and others"


def test_names_come_without_the_command_line(folder):
    code = (
        "import sys; sys.argv = ['gemcli', *sys.argv[1:]]\n"
        "import gemcli.main\n"
        "try:\n    gemcli.main.run()\n"
        "finally:\n    print(sorted({'typer', 'jax', 'numpy', 'av', 'yaml', 'rich'} & set(sys.modules)))"
    )

    def ask(*words):
        return subprocess.run(
            [sys.executable, "-c", code, WORD, *words],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip

    said = {each: ask(each) for each in LISTS}
    assert {done.stderr for done in said.values()} == {""}
    assert said["models"].stdout == "[]\n"
    assert "my-own\n" in said["templates"].stdout
    assert said["conversations"].stdout == "01bbb\ta: question 1 'x'\n01aaa\ta: question 0 'x'\n[]\n"
    assert ask("nonsense").stdout == ask().stdout == "[]\n"
    (folder / ".home" / "history" / "history.db").write_bytes(b"x" * 5000)
    damaged = ask("conversations")
    assert (damaged.stdout, damaged.stderr) == ("[]\n", "")


def test_names_are_those_that_are_installed(folder, monkeypatch, capfdbinary):
    from types import SimpleNamespace

    from gemcli.completion import names
    from gemcli.hub import store

    monkeypatch.setattr(store, "installed", lambda: [SimpleNamespace(name="hf:a/b:Q4_0")])
    names.answer(["models"])
    assert capfdbinary.readouterr().out == b"hf:a/b:Q4_0\n"


def present(shell):
    """The shell's program; the test is skipped, and says so, where the machine has none."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"there is no {shell} on this machine")
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "notes.md").touch()
    (tmp_path / "other.txt").touch()
    own = tmp_path / ".home" / "templates" / "my-own.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("prompt: Hm?\n")
    monkeypatch.setenv("GEMCLI_HOME", str(tmp_path / ".home"))
    for number, id in enumerate(("01aaa", "01bbb")):
        append([(Record(id, number, f"a: question\t{number}\n'x'", "yes", "m"), ())], print)
    program = tmp_path / ".bin" / "gemcli"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m gemcli "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_bash_proposes(folder):
    """The function is called as bash calls it; ``compgen -f`` stands for the files that bash adds itself."""
    driver = r"""
    source "$1"
    complete -p gemcli | grep -q -- '-o default -F _gemcli gemcli' || exit 9
    while IFS= read -r line; do
        eval "COMP_WORDS=($line)"
        [[ $line == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        files=1
        compopt() { files=; }
        _gemcli
        if [[ -z ${COMPREPLY[*]} && -n $files && -n ${COMP_WORDS[COMP_CWORD]} ]]; then
            COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
        fi
        echo "${COMPREPLY[*]}"
    done
    """
    done = subprocess.run(
        [present("bash"), "--norc", "-c", driver, "-", FOLDER / FILES["bash"]],
        input="\n".join(line for line, _ in LINES) + "\n",
        cwd=folder, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    proposed = [line.split() for line in done.stdout.split("\n")[: len(LINES)]]
    assert dict(zip([line for line, _ in LINES], proposed, strict=True)) == dict(LINES)


def test_bash_proposes_after_an_equals_sign(folder):
    lines = (
        'source "$1"; COMP_WORDS=(gemcli ask --output-format = j); COMP_CWORD=4; _gemcli; echo "$COMPREPLY"'
    )
    done = subprocess.run(
        [present("bash"), "--norc", "-c", lines, "-", FOLDER / FILES["bash"]],
        cwd=folder, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "json\n"


def test_fish_proposes(folder):
    asked = "".join(f"echo (complete -C {fish_quoted(line)} | string split -f1 \\t)\n" for line, _ in LINES)
    done = subprocess.run(
        [present("fish"), "--no-config", "-c", f"source {FOLDER / FILES['fish']}\n{asked}"],
        cwd=folder, env=os.environ | {"HOME": str(folder)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    for (line, wanted), proposed in zip(LINES, done.stdout.split("\n"), strict=False):
        words = [word for word in proposed.split() if line.split()[-1] != "gemcli" or word in COMMANDS]
        assert sorted(words) == sorted(wanted), line


def test_zsh_proposes(folder):
    """What one key makes of a line in an interactive shell."""
    import pty

    typed = {
        "gemcli doc": "gemcli doctor ",
        "gemcli models sh": "gemcli models show ",
        "gemcli ask -m smollm2-13": "gemcli ask -m smollm2-135m ",
        "gemcli pull gemma-3-270": "gemcli pull gemma-3-270m ",
        "gemcli plan -o j": "gemcli plan -o json ",
        "gemcli ask --device=g": "gemcli ask --device=gpu ",
        "gemcli completions z": "gemcli completions zsh ",
        "gemcli -m x note": "gemcli -m x notes.md ",
        "gemcli 'a question' note": "gemcli 'a question' notes.md ",
        "gemcli doctor --js": "gemcli doctor --json ",
        "gemcli ask -t my": "gemcli ask -t my-own ",
        "gemcli ask -t note": "gemcli ask -t notes.md ",
        "gemcli templates show labe": "gemcli templates show label ",
        "gemcli ask --cid 01b": "gemcli ask --cid 01bbb ",
        "gemcli history rm 01a": "gemcli history rm 01aaa ",
    }
    shell = present("zsh")
    terminal, slave = pty.openpty()
    process = subprocess.Popen(
        [shell, "-f", "-i", "+m"],
        cwd=folder,
        env={"TERM": "dumb", "HOME": str(folder)}
        | {name: os.environ[name] for name in ("PATH", "GEMCLI_HOME")},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        setup = f"fpath=({FOLDER} $fpath); autoload -Uz compinit; compinit -u -D; PROMPT='> '; echo rea''dy\n"
        os.write(terminal, setup.encode())
        until(terminal, "ready")
        for line, wanted in typed.items():
            os.write(terminal, line.encode() + b"\t")
            until(terminal, wanted)
            os.write(terminal, b"\x15")
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def until(terminal, wanted):
    """Read a terminal until it shows `wanted`; bells and steps back are applied."""
    shown = ""
    deadline = time.monotonic() + 20
    while wanted not in shown:
        assert time.monotonic() < deadline, f"{wanted!r} does not come: {shown!r}"
        if select.select([terminal], [], [], 0.5)[0]:
            shown += os.read(terminal, 4096).decode("utf-8", "replace").replace("\x07", "")


def fish_quoted(text):
    """A word of fish's."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
