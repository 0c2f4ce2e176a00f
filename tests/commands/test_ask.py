"""``gemcli ask``: what goes in, what comes out on which stream, and the contract's object."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

KEYS = [
    "schema_version", "id", "answer", "data", "model", "finish_reason", "citations", "usage", "timings",
    "read", "plan", "warnings", "error",
]  # fmt: skip
PLAN_KEYS = [
    "model", "window", "attention", "budget", "total_tokens", "prompt_tokens", "overhead_tokens", "fits",
    "read", "kv_bytes", "memory_bytes", "weights_bytes", "estimate", "documents", "thinned",
]  # fmt: skip


def test_stdout_is_the_answer_and_nothing_else(cli):
    done = cli.ask("Who?", cli.file("a.md"), pieces=["Ber", "ta.\n", "Really."])
    assert (done.code, done.out, done.err) == (0, "Berta.\nReally.\n", "")


@pytest.mark.parametrize("words", [["What is it?", "a.md", "b.md"], ["a.md", "b.md", "What is it?"]])
@pytest.mark.parametrize("command", ["ask", ""])
def test_question_and_files_in_either_order_with_or_without_the_command(cli, words, command):
    cli.file("a.md")
    cli.file("b.md", "Something else.\n")
    answer = cli.ask(*words, "--json", command=command).json()
    assert [each["source"] for each in answer["plan"]["documents"]] == ["a.md", "b.md"]
    assert answer["answer"] == "Hello world."


def test_a_question_alone(cli):
    answer = cli.ask("What is 2 + 2?", "-o", "json").json()
    assert answer["plan"]["documents"] == []
    assert answer["read"] == {"overflow": "none", "tokens_read": 0, "tokens_given": 0}


def test_what_is_piped_in_is_the_document(cli):
    answer = cli.ask("What?", "--json", stdin="alpha\nbeta\n").json()
    assert [each["source"] for each in answer["plan"]["documents"]] == ["stdin"]
    alone = cli.ask("What?", "-", "--json", stdin="alpha\nbeta\n").json()
    assert alone["plan"]["documents"] == answer["plan"]["documents"]


def test_without_a_question_what_is_piped_in_is_the_question(cli):
    answer = cli.ask("--json", stdin="What is 2 + 2?\n").json()
    assert answer["plan"]["documents"] == []
    assert (
        answer["usage"]["prompt_tokens"]
        == cli.ask("What is 2 + 2?", "--json").json()["usage"]["prompt_tokens"]
    )


def test_stdin_is_left_alone_when_files_are_given(cli):
    """``while read`` loops keep their list, and an unwritten pipe does not hang."""
    cli.file("a.md")
    process = cli.start("ask", "-m", str(cli.model), "What?", "a.md", script={}, stdin=subprocess.PIPE)
    assert process.wait(timeout=30) == 0
    process.communicate()
    loop = 'printf \'a.md\\na.md\\na.md\\n\' | while read f; do "$@" What? "$f"; done'
    done = subprocess.run(
        ["bash", "-c", loop, "-", *cli.start_words("ask")],
        cwd=cli.folder, env=cli.environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "Hello world.\n" * 3


def test_attachments_and_lists_are_files_too(cli):
    for name in ("a.md", "b.md", "c d.md"):
        cli.file(name)
    cli.file("list", "b.md\n")
    answer = cli.ask("What?", "-a", "a.md", "--files-from", "list", "--json").json()
    assert [each["source"] for each in answer["plan"]["documents"]] == ["a.md", "b.md"]
    answer = cli.ask("What?", "--files-from", "-", "-0", "--json", stdin="c d.md\0a.md\0").json()
    assert [each["source"] for each in answer["plan"]["documents"]] == ["c d.md", "a.md"]


def test_thoughts_are_no_part_of_the_answer(cli):
    script = {"thoughts": ["hm", ", so"], "pieces": ["Yes."]}
    hidden = cli.ask("What?", **script)
    assert (hidden.out, hidden.err) == ("Yes.\n", "")
    shown = cli.ask("What?", "--think", **script)
    assert (shown.out, shown.err) == ("Yes.\n", "hm, so\n")
    lines = [
        json.loads(line)
        for line in cli.ask("What?", "--think", "-o", "stream-json", **script).out.splitlines()
    ]
    assert [each["text"] for each in lines if each["type"] == "thought"] == ["hm", ", so"]
    assert lines[-1]["answer"] == "Yes."
    one = cli.ask("What?", "--think", "--json", **script)
    assert (one.json()["answer"], one.err) == ("Yes.", "hm, so\n")


def test_the_object_of_the_contract(cli):
    cli.file("a.md", "x\n" * 100)
    done = cli.ask("What?", "a.md", "-o", "json")
    assert done.err == ""
    assert done.out.count("\n") == 1
    answer = done.json()
    assert list(answer) == KEYS
    assert list(answer["plan"]) == PLAN_KEYS
    assert answer["schema_version"] == 1
    assert len(answer["id"]) == 26
    assert (answer["answer"], answer["data"], answer["finish_reason"]) == ("Hello world.", None, "stop")
    assert answer["model"] == str(cli.model)
    assert answer["usage"] == {
        "prompt_tokens": answer["plan"]["total_tokens"],
        "cached_tokens": 0,
        "completion_tokens": 2,
        "drafted_tokens": 0,
        "accepted_tokens": 0,
    }
    assert set(answer["timings"]) == {
        "import_s", "load_s", "ingest_s", "prefill_s", "first_token_s", "decode_tokens_per_s", "total_s",
    }  # fmt: skip
    assert all(value >= 0 for value in answer["timings"].values())
    assert answer["timings"]["total_s"] >= answer["timings"]["first_token_s"]
    tokens = answer["plan"]["documents"][0]["tokens"]
    assert answer["read"] == {"overflow": "none", "tokens_read": tokens, "tokens_given": tokens}
    assert (answer["citations"], answer["warnings"], answer["error"]) == ([], [], None)


def test_a_line_for_every_event(cli):
    done = cli.ask("What?", cli.file("a.md"), "-o", "stream-json", pieces=["Hel", "lo\n", "you"])
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [events[0]["type"], events[-1]["type"]] == ["init", "result"]
    assert "".join(each["text"] for each in events if each["type"] == "token") == "Hello\nyou"
    stages = [each["stage"] for each in events if each["type"] == "progress"]
    assert list(dict.fromkeys(stages)) == ["ingest", "load", "prefill"]
    assert list(events[-1]) == ["type", *KEYS]
    assert events[0]["id"] == events[-1]["id"]


def test_an_answer_that_was_cut_says_so(cli):
    done = cli.ask("What?", pieces=["a", "b"], finish_reason="length")
    assert (done.code, done.out) == (0, "ab\n")
    assert "gemcli: warning: the answer was cut after 2 tokens; --max-tokens allows more" in done.err
    asked_for = cli.ask("What?", "--max-tokens", "1", "--json", pieces=["a", "b"])
    assert (asked_for.json()["finish_reason"], asked_for.err) == ("length", "")


def test_usage_is_said_on_stderr(cli):
    done = cli.ask("What?", "-u")
    assert done.out == "Hello world.\n"
    assert "2 answer tokens, 20.0 tokens/s" in done.err


def test_verbose_tells_of_progress_and_quiet_does_not(cli):
    cli.file("a.md")
    assert "prefill" in cli.ask("What?", "a.md", "-v").err
    assert cli.ask("What?", "a.md", "-v", "-q").err == ""


def test_the_next_plan_knows_the_speed(cli):
    cli.file("a.md", "word " * 100)
    assert cli.ask("What?", "a.md", command="plan").out.count("not known") == 1
    cli.ask("What?", "a.md")
    estimate = cli.ask("What?", "a.md", "--json", command="plan").json()["estimate"]
    assert 0 < estimate["first_token_s"] < estimate["total_s"] < 30
    assert re.search(r"about 0:\d\d to the first token, 0:\d\d in all", cli.ask("a.md", command="plan").out)
