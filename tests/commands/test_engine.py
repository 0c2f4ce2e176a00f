"""The whole way with the real engine: a tiny model file that says what the test wants."""

from __future__ import annotations

import json
import signal
import time

import pytest
import tiny

ANSWER = "Yes, gold!"


@pytest.fixture(scope="module")
def parrot(tmp_path_factory):
    """A sound GGUF file that answers every prompt with `ANSWER`."""
    return tiny.write_parrot(
        tmp_path_factory.mktemp("parrot") / "parrot.gguf", [tiny.START, *ANSWER.encode(), tiny.END]
    )


def test_an_answer(cli, parrot):
    cli.file("a.md", "It is gold.\n")
    done = cli.real("Is it gold?", "a.md", "-m", str(parrot))
    assert (done.code, done.out, done.err) == (0, f"{ANSWER}\n", "")
    answer = cli.real("Is it gold?", "a.md", "-m", str(parrot), "-o", "json").json()
    assert (answer["answer"], answer["finish_reason"]) == (ANSWER, "stop")
    assert answer["usage"]["completion_tokens"] == len(ANSWER)
    assert answer["usage"]["prompt_tokens"] == answer["plan"]["total_tokens"]
    plan = cli.real("plan", "Is it gold?", "a.md", "-m", str(parrot), "--json").json()
    assert plan["total_tokens"] == answer["plan"]["total_tokens"]
    assert list((cli.home / "cache" / "compiled").iterdir()), "the next start compiles again"


def test_the_answer_ends_before_a_stop_text_and_at_the_limit(cli, parrot):
    stopped = cli.real("Is it gold?", "-m", str(parrot), "--stop", "old", "--json").json()
    assert (stopped["answer"], stopped["finish_reason"]) == ("Yes, g", "stop")
    cut = cli.real("Is it gold?", "-m", str(parrot), "--max-tokens", "3", "--json").json()
    assert (cut["answer"], cut["finish_reason"], cut["warnings"]) == ("Yes", "length", [])


def test_it_remembers_in_8_bits(cli, parrot):
    """From the flag to the cache: the plan is of half the bytes (and a scale a row), the answer the same."""
    sizes = {}
    for bits in ("16", "8"):
        answer = cli.real("Is it gold?", "-m", str(parrot), "--kv-bits", bits, "--json").json()
        assert (answer["answer"], answer["error"]) == (ANSWER, None)
        sizes[bits] = answer["plan"]["kv_bytes"]
    assert sizes["8"] < sizes["16"]


def test_too_long_for_the_window(cli, parrot):
    cli.file("long.md", "It is gold. " * 60)
    cli.real("Is it gold?", "long.md", "-m", str(parrot)).failed(4, "reads 512", "too many")


def test_planning_loads_no_arrays(cli, parrot):
    cli.file("a.md")
    done = cli.python(
        "import sys; from gemcli.main import execute; from gemcli.commands.session import Session\n"
        f"execute(['plan', 'a.md', '-m', {str(parrot)!r}], Session())\n"
        "assert not {'jax', 'jaxlib'} & set(sys.modules), 'arrays were loaded'\n"
    )
    assert done.code == 0, done.err
    assert "It fits." in done.out


@pytest.mark.parametrize("delay", [0.4, 1.0, 1.8])
def test_an_interrupt_at_any_time(cli, parrot, delay):
    """Wherever it is - importing, compiling, computing -, it ends within a second or two."""
    process = cli.start("ask", "Is it gold?", "-m", str(parrot), "--json", "--max-tokens", "200")
    time.sleep(delay)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    if process.returncode == 0:
        assert json.loads(out)["answer"] == ANSWER  # it was quicker than we
        return
    assert process.returncode == 130
    assert json.loads(out)["finish_reason"] == "interrupt"
    assert err.endswith(b"gemcli: interrupted\n")
    assert time.monotonic() - began < 3


def test_a_device_that_is_not_there(cli, parrot):
    done = cli.real("Is it gold?", "-m", str(parrot), "--device", "tpu")
    done.failed(1, "device", "gemcli doctor")


def test_what_the_document_says_is_checked_at_once(cli, parrot):
    """The usage tells what was drafted; no flag changes the answer."""
    cli.file("a.md", f"It is said: {ANSWER} And so it is.\n")
    asked = ("Is it gold?", "a.md", "-m", str(parrot), "--json")
    plain = cli.real(*asked, "--no-speculate").json()
    assert plain["usage"]["drafted_tokens"] == plain["usage"]["accepted_tokens"] == 0
    looked = cli.real(*asked).json()
    assert looked["answer"] == plain["answer"] == ANSWER
    assert looked["usage"]["drafted_tokens"] >= looked["usage"]["accepted_tokens"] > 0
    drafted = cli.real(*asked, "--draft-model", str(parrot)).json()
    assert (drafted["answer"], drafted["error"]) == (ANSWER, None)


def test_a_draft_model_that_cannot_draft(cli, parrot, tmp_path):
    tokens = tiny.byte_tokenizer()["tokenizer.ggml.tokens"]
    other = tiny.write_gguf(
        tmp_path / "other.gguf",
        tiny.metadata_of(tiny.parrot_config())
        | tiny.byte_tokenizer()
        | {"tokenizer.ggml.tokens": [tokens[1], tokens[0], *tokens[2:]]},
        tiny.tensors_of(tiny.parrot_config(), tiny.random_params(tiny.parrot_config())),
    )
    asked = ("Is it gold?", "-m", str(parrot), "--draft-model")
    cli.real(*asked, str(other)).failed(2, "cannot draft", "vocabulary")
    cli.real(*asked, "no-such-model").failed(2, "no-such-model")
    # Nothing is to be drafted, so nothing is looked for.
    assert cli.real(*asked, "no-such-model", "--no-speculate").out == f"{ANSWER}\n"
