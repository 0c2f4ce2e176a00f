"""Whatever is wrong: the contract's exit code, one clear message, nothing on stdout, no traceback."""

from __future__ import annotations

import json
import struct
import subprocess

import pytest

MINIMAL_PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"


def gguf(architecture: str = "llama", *, cut: int | None = None) -> bytes:
    """A GGUF file with one key and no tensors (format: ggml's docs/gguf.md)."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    header = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    whole = header + text("general.architecture") + struct.pack("<I", 8) + text(architecture)
    return whole[:cut]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["What?", "missing.md"], 3, ["missing.md"]),
        (["What?", "empty.md"], 3, ["empty.md", "empty"]),
        (["What?", "folder"], 3, ["folder"]),
        (["What?", "cut.pdf"], 3, ["cut.pdf"]),
        (["What?", "junk.txt"], 3, ["junk.txt"]),
        (["What?", "nothing*.md"], 3, ["nothing*.md"]),
        (["What?", "a.md", "--pages", "x"], 2, ["x"]),
        (["What?", "-"], 3, ["stdin"]),
        (["What?", "--files-from", "missing"], 3, ["missing"]),
        (["a.md"], 2, ["a.md", "question"]),
        (["a.md", "b.md"], 2, ["question"]),
        ([], 2, ["no question"]),
        (["", "a.md"], 2, ["question"]),
        (["-a", "a.md"], 2, ["no question"]),
        (["What?", "-m", "no-such-model"], 2, ["no-such-model", "gemcli models list"]),
        (["What?", "-m", "missing.gguf"], 5, ["missing.gguf"]),
        (["What?", "-m", "hf:nonsense"], 2, ["hf:nonsense"]),
        (["What?", "-m", "smollm2-135m", "--offline"], 5, ["smollm2-135m", "gemcli pull smollm2-135m"]),
        (["What?", "--offline"], 5, ["gemcli pull"]),
        (["What?", "-m", "cut.gguf"], 5, ["cut.gguf"]),
        (["What?", "-m", "alien.gguf"], 5, ["alien.gguf", "zorgon"]),
        (["What?", "-m", "text.gguf"], 5, ["text.gguf"]),
    ],
)
def test_every_failure_has_its_code_and_one_message(cli, inside, arguments, code, words):
    cli.file("a.md")
    cli.file("b.md")
    cli.file("empty.md", "")
    cli.file("folder/photo.bin", bytes(range(256)))
    cli.file("cut.pdf", MINIMAL_PDF)
    cli.file("junk.txt", bytes(range(256)) * 20)
    cli.file("cut.gguf", gguf(cut=40))
    cli.file("alien.gguf", gguf("zorgon"))
    cli.file("text.gguf", "this is no model")
    inside("ask", *arguments).failed(code, *words)


@pytest.mark.parametrize("arguments", [["What?", "missing.md"], ["What?", "-m", "missing.gguf"], ["a.md"]])
def test_the_object_tells_of_the_failure(cli, inside, arguments):
    cli.file("a.md")
    done = inside("ask", *arguments, "-o", "json")
    answer = done.json()
    assert answer["error"]["code"] == done.code != 0
    assert answer["error"]["message"] in done.err
    assert answer["answer"] == ""
    lines = [json.loads(line) for line in inside("ask", *arguments, "-o", "stream-json").out.splitlines()]
    assert [each["type"] for each in lines if each["type"] in ("error", "result")] == ["error", "result"]
    assert lines[-1]["error"] == answer["error"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["modles"], "gemcli models"),
        (["modls", "list"], "gemcli models"),
        (["plna"], "gemcli plan"),
        (["Doctor"], "gemcli doctor"),
        (["pul", "smollm2-135m"], "gemcli pull"),
        (["ls"], "gemcli models list"),
        (["run", "llama3"], "gemcli ask"),
        (["help"], "gemcli --help"),
    ],
)
def test_a_mistyped_command_is_no_question(cli, inside, words, meant):
    inside(*words).failed(2, f"no command '{words[0]}'", f"`{meant}`")
    assert not cli.home.exists(), "nothing is downloaded or chosen"


def test_a_mistyped_command_beside_a_pipe_that_stays_silent(cli):
    import subprocess

    process = cli.start("modles", stdin=subprocess.PIPE)
    assert process.wait(timeout=20) == 2
    process.communicate()


def test_a_word_like_a_command_is_a_question_where_there_is_something_to_read(cli):
    cli.file("a.md")
    assert cli.ask("plans", "a.md", command="").code == 0
    assert cli.ask("plans", command="", stdin="The plan is simple.\n").code == 0
    assert cli.ask("plans").code == 0  # after `ask` it can be nothing else


def test_what_is_longer_than_the_window_is_never_cut_unsaid(cli):
    cli.file("long.md", "word " * 1000)
    cli.file("short.md", "word\n")
    refuse = ("What?", "long.md", "short.md", "--overflow", "error")
    done = cli.ask(*refuse, window=2048)
    done.failed(4, "long.md: ", "reads 2,048", "256 are kept for the answer", "too many", "gemcli plan")
    answer = cli.ask(*refuse, "--json", window=2048).json()
    assert answer["error"]["code"] == 4
    assert answer["plan"]["fits"] is False
    assert answer["read"]["overflow"] == "error"
    assert answer["read"]["tokens_read"] == 0 < answer["read"]["tokens_given"]


def test_passages_are_read_of_too_much_and_that_is_said(cli):
    cli.file(
        "long.md", "The sky is grey. " * 300 + "\n\nThe bell is made of bronze.\n\n" + "It rains. " * 300
    )
    done = cli.ask("What is the bell made of?", "long.md", "--json", window=4096)
    answer = done.json()
    read = answer["read"]
    assert (done.code, read["overflow"]) == (0, "select")
    assert 0 < read["tokens_read"] < read["tokens_given"]
    assert f"read {read['tokens_read']:,} of {read['tokens_given']:,} tokens" in done.err
    assert answer["usage"]["prompt_tokens"] == answer["plan"]["prompt_tokens"] < 4096


@pytest.mark.parametrize("rule", ["head", "tail"])
def test_one_end_is_read_where_that_is_asked_for(cli, rule):
    cli.file("long.md", "".join(f"Line {number} of many.\n" for number in range(500)))
    answer = cli.ask("What?", "long.md", "--overflow", rule, "--json", window=4096).json()
    lines = [part["anchor"]["line"] for part in answer["plan"]["documents"][0]["parts"]]
    assert answer["read"]["overflow"] == rule
    assert (lines[0][0] == 1) is (rule == "head")
    assert (lines[-1][1] == 500) is (rule == "tail")


def test_a_window_too_small_for_any_passage_is_an_error(cli):
    cli.file("long.md", "word " * 1000)
    cli.ask("Which word?", "long.md", "--context", "200", window=4096).failed(4, "reads 200", "too many")


def test_one_bad_file_among_good_ones(cli):
    cli.file("a.md")
    assert cli.ask("What?", "a.md", "missing.md").code == 3
    done = cli.ask("What?", "a.md", "missing.md", "--keep-going", "--json")
    assert [each["source"] for each in done.json()["plan"]["documents"]] == ["a.md"]
    assert "missing.md" in done.json()["warnings"][0]
    assert "gemcli: warning: missing.md" in done.err


@pytest.mark.parametrize(
    ("fail", "code", "words"),
    [
        (["load", "MemoryError", ""], 6, ["not enough memory", "--context"]),
        (
            ["prefill", "RuntimeError", "RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"],
            6,
            ["not enough memory"],
        ),
        (["import", "DeviceError", "there is no gpu to compute on"], 1, ["no gpu", "gemcli doctor"]),
        (
            ["decode", "RuntimeError", "an unforeseen thing"],
            1,
            ["RuntimeError: an unforeseen thing", "--debug"],
        ),
    ],
)
def test_failures_of_the_engine(cli, fail, code, words):
    done = cli.ask("What?", fail=fail)
    assert done.code == code
    assert done.err.count("gemcli: error: ") == 1
    assert all(word in done.err for word in words)
    assert "Traceback" not in done.err
    answer = cli.ask("What?", "--json", fail=fail).json()
    assert (answer["error"]["code"], answer["finish_reason"]) == (code, None)


def test_debug_shows_where(cli):
    done = cli.ask("What?", "--debug", fail=["load", "RuntimeError", "an unforeseen thing"])
    assert done.code == 1
    assert "Traceback" in done.err
    assert 'scripted.py", line' in done.err
    assert "Traceback" in cli.ask("What?", env={"GEMCLI_DEBUG": "1"}, fail=["load", "MemoryError", ""]).err


def test_an_empty_stop_text(cli, inside):
    inside("ask", "What?", "--stop", "").failed(2, "--stop needs a text")


def test_an_empty_file_among_others_is_left_out_and_said(cli):
    cli.file("pack/__init__.py", b"")
    cli.file("pack/code.py")
    done = cli.ask("What?", "pack/__init__.py", "pack/code.py")
    assert done.code == 0
    assert "pack/__init__.py is empty; left out" in done.err


def test_bytes_that_are_no_text_in_a_question(cli):
    done = cli.ask("caf\udce9?")
    assert done.code == 0
    assert "should not happen" not in done.err


def test_a_question_piped_to_the_bare_program(cli):
    model = {"GEMCLI_MODEL": str(cli.model)}  # without one it would fetch the default
    done = cli.start(script={"pieces": ["four"]}, stdin=subprocess.PIPE, env=model)
    out, err = done.communicate(b"What is 2+2?\n", timeout=60)
    assert (done.returncode, out) == (0, b"four\n"), err
