"""Standard input as a shell gives it: every case is a process of its own."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

#: Collects the words on its command line and prints what it got, what it said, and what was left on stdin.
PROGRAM = r"""
import json, os, sys
import gemcli.ingest.stdin as standard_input
from gemcli.errors import GemcliError
from gemcli.ingest.collect import collect
standard_input.PATIENCE = float(os.environ.get("PATIENCE", "3"))
said = []
def on_event(event):
    if type(event).__name__ == "Note":
        said.append(event.message)
        print(event.message, file=sys.stderr, flush=True)
try:
    documents = collect(sys.argv[1:], on_event=on_event)
    got = {each.source: "".join(part.text for part in each.parts) for each in documents}
except GemcliError as error:
    got = {"error": error.message, "code": error.exit_code}
print(json.dumps({"got": got, "said": said, "kind": standard_input.kind()}))
"""


@pytest.fixture
def words(tmp_path):
    (tmp_path / "a.txt").write_text("from a file\n")
    (tmp_path / "collect.py").write_text(PROGRAM)
    return tmp_path


def environment(**extra):
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **extra}


def run(words, *arguments, **options):
    done = subprocess.run(
        [sys.executable, "collect.py", *arguments],
        cwd=words,
        env=environment(),
        capture_output=True,
        timeout=30,
        **options,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def shell(words, script, **extra):
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=words,
        env=environment(PYTHON=sys.executable, **extra),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")], done


def test_a_pipe_is_the_document(words):
    assert run(words, input=b"piped\r\nwords\n")["got"] == {"stdin": "piped\nwords\n"}


def test_a_large_pipe_arrives_whole(words):
    text = "".join(f"line {number}\n" for number in range(200_000))
    assert run(words, input=text.encode())["got"] == {"stdin": text}


def test_a_file_redirected(words):
    with (words / "a.txt").open("rb") as stream:
        assert run(words, stdin=stream) == {"got": {"stdin": "from a file\n"}, "said": [], "kind": "file"}


def test_an_empty_pipe_is_no_document(words):
    assert run(words, input=b"") == {"got": {}, "said": [], "kind": "stream"}
    assert run(words, "-", input=b"")["got"]["code"] == 3


def test_cron(words):
    assert run(words, stdin=subprocess.DEVNULL) == {"got": {}, "said": [], "kind": "null"}
    assert run(words, "a.txt", stdin=subprocess.DEVNULL)["got"] == {"a.txt": "from a file\n"}
    named = run(words, "-", stdin=subprocess.DEVNULL)["got"]
    assert named == {"error": "- names stdin, but stdin is empty", "code": 3}


def test_a_closed_stdin(words):
    (nothing, file, named), _ = shell(words, 'for f in "" a.txt -; do "$PYTHON" collect.py $f <&-; done')
    assert nothing == {"got": {}, "said": [], "kind": "closed"}
    assert file["got"] == {"a.txt": "from a file\n"}
    assert named["got"] == {"error": "- names stdin, but stdin is closed", "code": 3}


def test_a_device_is_refused(words):
    with Path("/dev/zero").open("rb") as zero:
        assert run(words, stdin=zero)["got"]["error"].startswith("stdin is a device")
        assert run(words, "a.txt", stdin=zero)["got"] == {"a.txt": "from a file\n"}


def test_a_while_read_loop_keeps_its_list(words):
    for name in "bcd":
        (words / f"{name}.txt").write_text(name)
    got, _ = shell(words, 'printf "%s\\n" a b c d | while read -r f; do "$PYTHON" collect.py "$f.txt"; done')
    assert [list(each["got"]) for each in got] == [["a.txt"], ["b.txt"], ["c.txt"], ["d.txt"]]


def test_a_pipe_that_is_never_written_with_a_file(words):
    read, write = os.pipe()
    try:
        assert run(words, "a.txt", stdin=read) == {
            "got": {"a.txt": "from a file\n"},
            "said": [],
            "kind": "stream",
        }
    finally:
        os.close(read)
        os.close(write)


def test_a_pipe_that_is_silent_for_a_while_is_explained(words):
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "collect.py"],
        cwd=words,
        env=environment(PATIENCE="0.2"),
        stdin=read,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.close(read)
    assert process.stderr is not None
    assert process.stdout is not None
    assert b"reading stdin" in process.stderr.readline()
    os.write(write, b"late words\n")
    os.close(write)
    got = json.loads(process.stdout.read())
    assert process.wait(10) == 0
    process.stderr.close()
    process.stdout.close()
    assert got["got"] == {"stdin": "late words\n"}
    assert "</dev/null skips it" in got["said"][0]


def test_process_substitution(words):
    (got,), _ = shell(words, '"$PYTHON" collect.py <(echo first) <(echo second)')
    assert list(got["got"].values()) == ["first\n", "second\n"]


class Terminal:
    """The program on a terminal, and its output."""

    def __init__(self, words, *arguments):
        self.master, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "collect.py", *arguments],
            cwd=words,
            env=environment(),
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.close(terminal)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.communicate()
        os.close(self.master)

    def result(self):
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, err
        return json.loads(out)


def test_a_terminal_is_not_waited_for(words):
    with Terminal(words) as terminal:
        assert terminal.result() == {"got": {}, "said": [], "kind": "terminal"}
    with Terminal(words, "a.txt") as terminal:
        assert terminal.result()["got"] == {"a.txt": "from a file\n"}


def test_a_terminal_that_is_named_is_read_to_its_end_mark(words):
    with Terminal(words, "-") as terminal:
        assert terminal.process.stderr is not None
        assert b"Ctrl-D" in terminal.process.stderr.readline()
        os.write(terminal.master, b"typed words\n")
        time.sleep(0.1)
        os.write(terminal.master, b"\x04")
        assert terminal.result()["got"] == {"stdin": "typed words\n"}


def test_nothing_is_opened_in_place_of_a_closed_stdin(words):
    (got,), _ = shell(words, 'exec <&-; "$PYTHON" collect.py a.txt')
    assert got["kind"] == "closed"
