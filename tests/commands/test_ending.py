"""How a command ends when somebody stops it: promptly, with its exit code, and with nothing left behind."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time

import pytest

LICENSE = "word " * 200

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes are POSIX's here")


def wait_for(process, text, stream="stderr"):
    """Read a stream of a running command until `text` was in it; returns what was read."""
    seen = b""
    pipe = getattr(process, stream)
    deadline = time.monotonic() + 30
    while text.encode() not in seen:
        assert time.monotonic() < deadline, seen
        piece = os.read(pipe.fileno(), 4096)
        assert piece, f"it ended early: {seen!r}"
        seen += piece
    return seen.decode()


def stop(process, number=signal.SIGINT):
    """Send a signal; (exit code, the rest of stdout, of stderr, seconds until it ended)."""
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return process.returncode, out.decode(), err.decode(), time.monotonic() - began


STAGES = [("import", "0/1 files"), ("describe", "1/1 files"), ("load", "loading"), ("prefill", "prefill")]


@pytest.mark.parametrize(("stage", "sign"), STAGES)
def test_an_interrupt_ends_every_stage(cli, stage, sign):
    cli.file("a.md", LICENSE)
    process = cli.start("ask", "-m", str(cli.model), "-v", "What?", "a.md", script={"stall": stage})
    before = wait_for(process, sign)
    code, out, err, seconds = stop(process)
    assert (code, out) == (130, "")
    assert err.endswith("gemcli: interrupted\n")
    assert "Traceback" not in before + err
    assert seconds < 2


@pytest.mark.parametrize(("stage", "sign"), STAGES)
def test_an_interrupt_is_in_the_object(cli, stage, sign):
    cli.file("a.md", LICENSE)
    process = cli.start("ask", "-m", str(cli.model), "-v", "What?", "a.md", "--json", script={"stall": stage})
    wait_for(process, sign)
    code, out, err, _ = stop(process)
    answer = json.loads(out)
    assert (code, answer["finish_reason"]) == (130, "interrupt")
    assert answer["error"] == {"code": 130, "message": "interrupted"}
    assert err.endswith("gemcli: interrupted\n")


def test_an_interrupt_while_it_speaks_keeps_what_was_said(cli):
    script = {"pieces": ["Hello", " wor"], "stall": "decode"}
    process = cli.start("ask", "-m", str(cli.model), "What?", script=script)
    said = wait_for(process, " wor", "stdout")
    code, out, err, seconds = stop(process)
    assert (code, said + out, err) == (130, "Hello wor\n", "gemcli: interrupted\n")
    assert seconds < 2
    process = cli.start("ask", "-m", str(cli.model), "What?", "-o", "stream-json", script=script)
    said = wait_for(process, " wor", "stdout")
    code, out, err, seconds = stop(process)
    last = json.loads((said + out).splitlines()[-1])
    assert (code, last["type"], last["answer"], last["finish_reason"]) == (
        130,
        "result",
        "Hello wor",
        "interrupt",
    )
    assert last["usage"]["completion_tokens"] == 2


def test_an_interrupt_while_it_waits_for_stdin(cli):
    process = cli.start("ask", "-m", str(cli.model), "What?", "-", script={}, stdin=subprocess.PIPE)
    wait_for(process, "nothing has come yet")
    code, out, err, seconds = stop(process)
    assert (code, out, err) == (130, "", "gemcli: interrupted\n")
    assert seconds < 2


def test_an_interrupt_before_anything_is_known(cli):
    process = cli.start("ask", stdin=subprocess.PIPE)
    time.sleep(0.15)  # somewhere in the interpreter's own start, or the first imports
    code, out, _, seconds = stop(process)
    assert (code, out) in ((130, ""), (-signal.SIGINT, ""))
    assert seconds < 2


def test_a_second_interrupt_does_not_wait(cli):
    process = cli.start("ask", "-m", str(cli.model), "-v", "What?", script={"stall": "load"})
    wait_for(process, "loading")
    process.send_signal(signal.SIGINT)
    code, _, _, seconds = stop(process)
    assert code == 130
    assert seconds < 1


def test_a_polite_end(cli):
    process = cli.start("ask", "-m", str(cli.model), "-v", "What?", "--json", script={"stall": "prefill"})
    wait_for(process, "prefill")
    code, out, err, _ = stop(process, signal.SIGTERM)
    assert code == 143
    assert json.loads(out)["finish_reason"] == "interrupt"
    assert err.endswith("gemcli: terminated\n")


def test_the_terminal_is_left_as_it_was(cli):
    import pty
    import termios

    cli.file("a.md", LICENSE)
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = cli.start(
        "ask", "-m", str(cli.model), "What?", "a.md", script={"stall": "prefill"},
        stdin=slave, stdout=slave, stderr=slave, env={"TERM": "xterm-256color"},
    )  # fmt: skip
    seen = drained(master, until=b"tokens")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    assert termios.tcgetattr(slave) == before
    os.close(slave)
    seen += drained(master)
    os.close(master)
    assert seen.endswith(b"gemcli: interrupted\r\n")
    assert seen.count(b"\x1b[?25l") == seen.count(b"\x1b[?25h"), "the cursor is hidden"
    assert seen.count(b"\x1b[?7l") == seen.count(b"\x1b[?7h"), "lines do not wrap"


def test_head_gets_its_line_and_nothing_is_left_behind(cli):
    cli.file("LICENSE", LICENSE)
    words = cli.start_words("ask", pieces=["Line 1\n", *[f"and {n}\n" for n in range(500)]], delay=0.02)
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", 'cat LICENSE | "$@" "Who?" | head -1; echo "${PIPESTATUS[1]}"', "-", *words],
        cwd=cli.folder, env=cli.environment, capture_output=True, text=True, timeout=60, check=True,
        start_new_session=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("Line 1\n141\n", "")
    assert time.monotonic() - began < 8, "it went on after its reader had left"
    assert not descendants(cli.folder)


@pytest.mark.parametrize("output", ["text", "json", "stream-json"])
def test_a_reader_that_left_at_once(cli, output):
    words = cli.start_words("ask", pieces=["a\n"] * 300, delay=0.01)
    done = subprocess.run(
        ["bash", "-c", '"$@" | true; echo "${PIPESTATUS[0]}"', "-", *words, "What?", "-o", output],
        cwd=cli.folder, env=cli.environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("141\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["--version"]])
def test_a_closed_pipe_of_a_help_page(cli, arguments):
    read, write = os.pipe()
    os.close(read)
    process = cli.start(*arguments, stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (141, b"")


def test_a_full_disk_under_stdout(cli):
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        process = cli.start("ask", "-m", str(cli.model), "What?", script={}, stdout=full)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.count(b"gemcli: error: ") == 1
    assert b"No space left" in err


def drained(descriptor, until=None):
    """What comes from a terminal, until its end or until `until` was seen; fails after 20 seconds."""
    seen = b""
    deadline = time.monotonic() + 20
    while until is None or until not in seen:
        assert time.monotonic() < deadline, seen
        if select.select([descriptor], [], [], 0.5)[0]:
            try:
                piece = os.read(descriptor, 4096)
            except OSError:  # how Linux says that nobody has the other side open
                break
            if not piece:
                break
            seen += piece
    return seen


def descendants(folder):
    """Processes that work in a folder: what a command left behind there."""
    left = []
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:  # noqa: PTH208, PTH112 - plain names
        if entry.isdigit():
            try:
                if os.readlink(f"/proc/{entry}/cwd").startswith(str(folder)):  # noqa: PTH115
                    left.append(entry)
            except OSError:
                continue
    return left
