"""A server that stays for a while: ``ask`` finds it, and goes on alone wherever it should not trust it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
from serving import ANSWER, Serving, environment

from gemcli.client import daemon
from gemcli.client.daemon import find, socket_path
from gemcli.described import stamp
from gemcli.request import Request


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers everything with `ANSWER`."""
    folder = tmp_path_factory.mktemp("parrot")
    return tiny.write_parrot(folder / "parrot.gguf", [tiny.START, *ANSWER.encode(), tiny.END])


@pytest.fixture
def stays(tmp_path: Path, parrot: Path) -> Iterator[Serving]:
    """A server that stays; it and ``ask`` have one home."""
    made = Serving(tmp_path / "home", parrot, "--keep-alive", "10m")
    yield made
    made.stop()


def ask(home: Path, *words: str) -> tuple[dict[str, Any], float]:
    """The object of an answer, and the seconds that it took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "gemcli", "ask", "Is it?", "--json", *words],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), time.monotonic() - began


@pytest.mark.slow
def test_ask_finds_it_and_it_ends_by_itself(tmp_path: Path, parrot: Path) -> None:
    home = tmp_path / "home"
    server = Serving(home, parrot, "--keep-alive", "20s")
    try:
        assert server.ready["url"] == f"unix:{home}/cache/run/gemcli.sock"
        for _ in range(5):  # a busy machine may take it for hung
            answer, _ = ask(home, "-m", str(parrot))
            assert answer["answer"] == ANSWER
            if "POST /gemcli/v1/answer 200" in server.stderr:
                break
        assert "POST /gemcli/v1/answer 200" in server.stderr
        asked = server.stderr.count("POST")
        for other in (["--host", "none"], ["--private"], ["--attention", "dense"]):
            assert ask(home, "-m", str(parrot), *other)[0]["answer"] == ANSWER
        assert server.stderr.count("POST") == asked, "these are not for it"
        assert server.process.wait(60) == 0, "nobody came for long"
        assert not (home / "cache" / "run" / "gemcli.sock").exists()
    finally:
        server.stop()


@pytest.fixture
def place(home: Path) -> Iterator[Path]:
    """Where the socket would be."""
    path = socket_path()
    path.parent.mkdir(parents=True, mode=0o700)
    yield path
    path.unlink(missing_ok=True)


def test_a_killed_server_is_nobody(place: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(place))
    dead.close()
    place.chmod(0o600)
    assert quickly(Request("What?")) is None


def test_a_hung_server_is_not_waited_for(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(place))
        place.chmod(0o600)
        hung.listen(1)
        assert quickly(Request("What?")) is None


@pytest.mark.parametrize("wrong", ["folder", "socket", "file", "owner"])
def test_what_others_could_have_made_is_not_trusted(
    place: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(place, {}) as asked:
        if wrong == "folder":
            place.parent.chmod(0o777)
        elif wrong == "socket":
            place.chmod(0o666)
        elif wrong == "file":
            place.unlink()
            place.write_text("no socket")
        else:
            uid = os.getuid()
            monkeypatch.setattr(daemon.os, "getuid", lambda: uid + 1)
        assert quickly(Request("What?")) is None
        assert asked == []


def test_another_version_or_model_is_not_asked(place: Path, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").touch()
    (tmp_path / "n.gguf").touch()
    request = Request("What?", model=str(tmp_path / "m.gguf"))
    good = hello(request)
    for change, found in (
        ({}, True),
        ({"gemcli": "0.0.0"}, False),
        ({"protocol": good["protocol"] + 1}, False),
        ({"path": str(tmp_path / "n.gguf")}, False),
        ({"kv_bits": 4}, False),
        ({"device": "tpu"}, False),
        ({"max_tokens": 100}, False),
    ):
        with answering(place, good | change) as asked:
            assert (quickly(request) is not None) == found, change
            assert asked
        place.unlink()


def test_a_file_that_was_replaced_is_another_model(place: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"one")
    request = Request("What?", model=str(path))
    good = hello(request)
    path.with_name("other").write_bytes(b"another")
    path.with_name("other").replace(path)
    with answering(place, good):
        assert quickly(request) is None


def test_an_answer_may_be_no_longer_than_the_server_gives(place: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.touch()
    request = Request("What?", model=str(path))
    good = hello(request) | {"max_tokens": 100}
    for wanted, found in ((100, True), (101, False)):
        with answering(place, good):
            assert (quickly(replace(request, max_tokens=wanted)) is not None) == found
        place.unlink()


def test_what_is_in_memory_answers_and_nothing_in_its_place(tmp_path: Path) -> None:
    """A file that was replaced is no part of an answer: `ask` takes the new one, alone."""
    home = tmp_path / "home"
    words = {"old": "Yes.", "new": "Maybe!"}
    for name, said in words.items():
        tiny.write_parrot(tmp_path / f"{name}.gguf", [tiny.START, *said.encode(), tiny.END])
    served = tmp_path / "m.gguf"
    served.write_bytes((tmp_path / "old.gguf").read_bytes())
    server = Serving(home, served, "--keep-alive", "10m")
    try:
        assert ask(home, "-m", str(served))[0]["answer"] == words["old"]
        asked = server.stderr.count("POST")
        (tmp_path / "new.gguf").replace(served)
        assert ask(home, "-m", str(served))[0]["answer"] == words["new"]
        assert server.stderr.count("POST") == asked
        socket_ = f"unix:{home}/cache/run/gemcli.sock"
        assert ask(home, "--host", socket_)[0]["answer"] == words["old"]
    finally:
        server.stop()


def test_a_server_that_is_stopped_in_its_tracks(stays: Serving, parrot: Path) -> None:
    stays.process.send_signal(signal.SIGSTOP)
    try:
        answer, _ = ask(stays.home, "-m", str(parrot))
        assert answer["answer"] == ANSWER
    finally:
        stays.process.send_signal(signal.SIGCONT)


def hello(request: Request) -> dict[str, Any]:
    """What a server of this version says that has the request's model and settings."""
    from gemcli import __version__
    from gemcli.wire import PROTOCOL

    path = Path(str(request.model))
    return {"gemcli": __version__, "protocol": PROTOCOL, **daemon.about(request, path, stamp(path))}


def quickly(request: Request) -> str | None:
    """What is found, which takes a fifth of a second at most (and what a busy machine adds)."""
    find(request)  # imports
    began = time.monotonic()
    found = find(request)
    assert time.monotonic() - began < 0.6
    return found


class answering:
    """Somebody who listens at the socket and says something of himself."""

    def __init__(self, path: Path, said: dict[str, Any]) -> None:
        self._said = json.dumps(said).encode()
        self._asked: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(4)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> list[bytes]:
        self._thread.start()
        return self._asked

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._asked.append(connection.recv(4096))
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                    % (len(self._said), self._said)
                )
