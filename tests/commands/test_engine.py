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
