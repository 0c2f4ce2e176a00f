"""Many clients at once, clients that go away, and the server's own beginning and end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from serving import ANSWER, Serving, environment

QUESTION = [{"role": "user", "content": "Is it gold?"}]
LONG = 12_000  # tokens


def endless(server: Serving, **more: Any) -> socket.socket:
    """A client that has begun to hear a long answer."""
    body = {"messages": QUESTION, "max_tokens": LONG, "stream": True, "temperature": 1, **more}
    data = json.dumps(body).encode()
    raw = server.raw(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        + f"Content-Length: {len(data)}\r\n\r\n".encode()
        + data
    )
    heard = b""
    while heard.count(b"data:") < 3:
        block = raw.recv(4096)
        assert block, heard
        heard += block
    return raw


def test_32_clients_each_get_their_own_answer(looking: Serving) -> None:
    """Greedy and sampled, streamed and whole: each is what it is alone."""

    def ask(number: int) -> str:
        body = {
            "messages": [{"role": "user", "content": f"Question {number}? " * (1 + number % 5)}],
            "max_tokens": 8 + number % 7,
            "temperature": number % 2,
            "seed": number,
        }
        status, found = looking.post(body)
        assert status == 200, found
        return found["choices"][0]["message"]["content"]

    alone = [ask(number) for number in range(8)]
    assert len(set(alone)) > 4, "the answers differ, so that a mix-up shows"
    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(ask, [number % 8 for number in range(32)]))
    assert together == [alone[number % 8] for number in range(32)]


def test_an_answer_ends_when_its_client_goes_away(looking: Serving) -> None:
    """Whatever is being sent just then: one in ten was not noticed once."""
    before = looking.metric('gemcli_answers_total{finish="cancelled"}')
    for _ in range(30):
        raw = endless(looking)
        assert looking.metric("gemcli_answers_running") == 1
        raw.close()
        looking.wait_for("gemcli_answers_running", 0)
    assert looking.metric('gemcli_answers_total{finish="cancelled"}') == before + 30
    connection = http.client.HTTPConnection("127.0.0.1", looking.port, timeout=60)
    body = json.dumps({"messages": QUESTION, "max_tokens": LONG, "temperature": 1})
    connection.request("POST", "/v1/chat/completions", body)
    looking.wait_for("gemcli_answers_running", 1)
    connection.close()
    looking.wait_for("gemcli_answers_running", 0)
    assert looking.metric('gemcli_answers_total{finish="cancelled"}') == before + 31


def test_whoever_comes_when_too_many_wait_is_told_to_come_later(serve: Any, seeing: Path) -> None:
    server = serve(seeing, "--parallel", "1", "--queue", "1")
    assert server.ready["parallel"] == 1
    first = endless(server)
    waiting = threading.Thread(target=server.post, args=({"messages": QUESTION, "max_tokens": 2},))
    waiting.start()
    server.wait_for("gemcli_requests_waiting", 1)
    status, headers, found = server.request("POST", "/v1/chat/completions", {"messages": QUESTION})
    assert (status, found["error"]["code"]) == (429, "queue_full")
    assert int(headers["retry-after"]) >= 1
    with server.raw() as gone:  # one that waited goes away: its place is free
        first.close()
        waiting.join(120)
        assert not waiting.is_alive()
        gone.close()
    server.wait_for("gemcli_answers_running", 0)
    assert server.post({"messages": QUESTION, "max_tokens": 2})[0] == 200


def test_an_answer_may_not_take_for_ever(serve: Any, seeing: Path) -> None:
    server = serve(seeing, "--timeout", "1", "--max-tokens", str(LONG))
    status, found = server.post({"messages": QUESTION, "max_tokens": LONG, "temperature": 1})
    assert (status, found["error"]["code"]) == (504, "timeout")
    server.wait_for("gemcli_answers_running", 0)


def test_running_answers_end_before_the_server_does(serve: Any, seeing: Path) -> None:
    server = serve(seeing)
    heard = b""
    with endless(server, max_tokens=2000) as raw:
        server.process.send_signal(signal.SIGTERM)
        while block := raw.recv(65536):
            heard += block
    assert b"data: [DONE]" in heard
    assert server.process.wait(20) == 0
    assert "stopping: 1 answer" in server.stderr
    with pytest.raises(OSError, match="refused"):
        server.raw()


def test_answers_that_do_not_end_are_cut(serve: Any, seeing: Path) -> None:
    server = serve(seeing, "--grace", "1")
    raw = endless(server)
    began = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 0
    assert time.monotonic() - began < 10
    raw.close()
    assert "Traceback" not in server.stderr


def test_a_unix_socket_is_this_users_alone(serve: Any, parrot: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()  # what a killed server leaves behind
    server = serve(parrot, "--socket", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.ready["url"] == f"unix:{path}"
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.recv(15) == b"HTTP/1.1 200 OK"
    again = failed(tmp_path, "-m", str(parrot), "--socket", str(path))
    assert "is there already, and somebody listens" in again
    assert server.stop() == 0
    assert not path.exists()


def test_a_server_that_ends_leaves_the_name_to_the_next_one(serve: Any, seeing: Path, tmp_path: Path) -> None:
    """While it gives its running answers time to end, another one begins in its place."""
    path = tmp_path / "s.sock"
    first = serve(seeing, "--socket", str(path))
    body = json.dumps({"messages": QUESTION, "max_tokens": LONG, "stream": True, "temperature": 1}).encode()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n")
        raw.sendall(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert raw.recv(15) == b"HTTP/1.1 200 OK"
        threading.Thread(target=_drain, args=(raw,), daemon=True).start()
        first.process.terminate()
        while "stopping" not in first.stderr:
            time.sleep(0.02)
        serve(seeing, "--socket", str(path))
        raw.shutdown(socket.SHUT_RDWR)
    assert first.process.wait(20) == 0
    assert path.is_socket(), "it is the other one's"


def _drain(raw: socket.socket) -> None:
    while raw.recv(65536):
        pass


def test_the_network_is_not_let_in_without_a_key(tmp_path: Path, parrot: Path) -> None:
    said = failed(tmp_path, "-m", str(parrot), "--listen", "0.0.0.0")
    assert "--api-key-file" in said
    (tmp_path / "keys").write_text("short\n")
    assert "shorter than" in failed(tmp_path, "-m", str(parrot), "--api-key-file", "keys")
    (tmp_path / "keys").write_text("\n")
    assert "there is no key" in failed(tmp_path, "-m", str(parrot), "--api-key-file", "keys")
    assert "cannot read" in failed(tmp_path, "-m", str(parrot), "--api-key-file", "nothing")


def test_what_it_cannot_listen_on_or_load_is_said(parroting: Serving, tmp_path: Path, parrot: Path) -> None:
    assert "cannot listen on" in failed(tmp_path, "-m", str(parrot), "--port", str(parroting.port), code=1)
    (tmp_path / "damaged.gguf").write_bytes(b"GGUFxxxx")
    assert "damaged.gguf" in failed(tmp_path, "-m", "damaged.gguf", "--port", "0", code=5)


def test_a_server_that_is_not_installed_is_one_line(tmp_path: Path, parrot: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['uvicorn'] = None\n")
    path = os.pathsep.join([str(tmp_path), environment(tmp_path)["PYTHONPATH"]])
    said = failed(tmp_path, "-m", str(parrot), "--port", "0", code=1, PYTHONPATH=path)
    assert "pip install 'gemcli[serve]'" in said


def test_metrics_are_prometheus_text(parroting: Serving) -> None:
    parroting.post({"messages": QUESTION})
    status, headers, text = parroting.request("GET", "/metrics")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
    for line in text.splitlines():
        assert line.startswith("# ") or float(line.rpartition(" ")[2]) >= 0
    assert parroting.metric('gemcli_tokens_total{kind="completion"}') >= len(ANSWER)
    assert parroting.metric("gemcli_first_token_seconds_count") >= 1
    assert parroting.metric('gemcli_answer_seconds_bucket{le="+Inf"}') >= 1


def test_quiet_says_nothing(serve: Any, parrot: Path) -> None:
    server = serve(parrot, "-q")
    assert server.post({"messages": QUESTION})[0] == 200
    assert server.stop() == 0
    assert server.stderr == ""


def test_the_llm_command_speaks_to_it(parroting: Serving, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: mine\n  model_name: parrot\n  api_base: {parroting.url}/v1\n  vision: true\n"
    )
    for flags in ([], ["--no-stream"]):
        done = subprocess.run(
            [sys.executable, "-m", "llm", "-m", "mine", "--no-log", *flags, "Is it gold?"],
            env=environment(tmp_path) | {"LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, done.stdout) == (0, f"{ANSWER}\n"), done.stderr


def failed(folder: Path, *words: str, code: int = 2, **more: str) -> str:
    """What a server says that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "gemcli", "serve", *words],
        cwd=folder,
        env=environment(folder / "home") | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
