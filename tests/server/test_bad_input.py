"""Whatever comes in, the answer is an error object, nobody is let in, and the server lives."""

from __future__ import annotations

import base64
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from serving import ANSWER, Serving

QUESTION = [{"role": "user", "content": "Is it gold?"}]


def user(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def image(url: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def file(data: Any, name: Any = "a.md") -> dict[str, Any]:
    return {"type": "file", "file": {"filename": name, "file_data": data}}


def lives(server: Serving) -> None:
    status, answer = server.post({"messages": QUESTION})
    assert (status, answer["choices"][0]["message"]["content"]) == (200, ANSWER)


def is_error(found: Any) -> bool:
    """Whether this is the error object of OpenAI's API."""
    return isinstance(found, dict) and set(found["error"]) == {"message", "type", "param", "code"}


BAD = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe{}",
    b'{"messages": NaN}',
    b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"max_tokens": ' + b"9" * 5000 + b"}",
    {},
    {"messages": None},
    {"messages": "text"},
    {"messages": [1]},
    {"messages": [{}]},
    {"messages": [{"role": "user"}]},
    {"messages": [{"role": "user", "content": 5}]},
    {"messages": [{"role": "wizard", "content": "x"}]},
    {"messages": [{"role": "tool", "content": "x"}]},
    {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
    {"messages": [{"role": "system", "content": "x"}]},
    {"messages": QUESTION, "temperature": "hot"},
    {"messages": QUESTION, "temperature": True},
    {"messages": QUESTION, "max_tokens": 1.5},
    {"messages": QUESTION, "max_tokens": 10**30},
    {"messages": QUESTION, "stream": "yes"},
    {"messages": QUESTION, "stop": {"a": 1}},
    {"messages": QUESTION, "stop": ["a"] * 100},
    {"messages": QUESTION, "seed": "x"},
    {"messages": QUESTION, "model": ["parrot"]},
    {"messages": QUESTION, "response_format": "json"},
    {"messages": QUESTION, "response_format": {"type": "xml"}},
    {"messages": QUESTION, "response_format": {"type": "json_schema"}},
    {"messages": QUESTION, "response_format": {"type": "json_schema", "json_schema": {"schema": 5}}},
    {"messages": QUESTION, "stream_options": []},
    user({"type": "video"}),
    user({"type": "text"}),
    user("text"),
    user(image(None)),
    user(image("data:image/png;base64,!!!")),
    user(image("data:image/png;base64,")),
    user(image("data:image/png;base64,AAAA")),
    user({"type": "input_audio", "input_audio": {"data": "%%%", "format": "wav"}}),
    user({"type": "input_audio"}),
    user(file("?")),
    user(file(None)),
    user({"type": "file", "file": {"file_id": "file-123"}}),
]


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_malformed_requests_are_told_what_is_wrong(parroting: Serving, body: Any) -> None:
    status, found = parroting.post(body)
    assert status == 400, found
    assert is_error(found)
    assert found["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "../../etc/passwd",
        "http://127.0.0.1:1/a.png",
        "https://x.org/a.png",
        "FILE:/etc/passwd",
        "ftp://x.org/a.png",
        "unix:/tmp/x",
        "http://[::1",
        "",
    ],
)
def test_addresses_are_not_followed(parroting: Serving, url: str) -> None:
    status, found = parroting.post(user({"type": "text", "text": "What is it?"}, image(url)))
    assert status == 400
    assert is_error(found)
    assert "root:" not in json.dumps(found)


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../../../etc/passwd", "file:///etc/passwd", "..", "a\nb\x1b[2J.md", "C:\\x.md", ""],
)
def test_names_of_files_are_labels(parroting: Serving, name: str) -> None:
    """The bytes that came are read, whatever they are called: two names that mean the same cost the same."""
    data = base64.b64encode(b"It is gold.\n").decode()
    status, found = parroting.post(user({"type": "text", "text": "What?"}, file(data, name)))
    assert status == 200, found
    assert found["usage"]["prompt_tokens"] < 400, "it did not read the system's file"


def test_what_cannot_be_read_is_named_by_its_label(parroting: Serving) -> None:
    data = base64.b64encode(b"%PDF-1.4 damaged").decode()
    status, found = parroting.post(user({"type": "text", "text": "What?"}, file(data, "/tmp/deal.pdf")))
    assert (status, found["error"]["code"]) == (400, "unreadable_input")
    assert found["error"]["message"].startswith("deal.pdf ")


def test_what_does_not_fit_says_so(parroting: Serving) -> None:
    status, found = parroting.post({"messages": [{"role": "user", "content": "gold " * 400}]})
    assert (status, found["error"]["code"]) == (400, "context_length_exceeded")
    status, found = parroting.post({"stream": True, "messages": [{"role": "user", "content": "gold " * 400}]})
    assert (status, found["error"]["code"]) == (400, "context_length_exceeded"), "before the stream begins"


def test_large_bodies_are_refused(parroting: Serving) -> None:
    status, found = parroting.post(b'{"a": "' + b"x" * (1 << 20) + b'"}')
    assert (status, found["error"]["code"]) == (413, "body_too_large")
    with parroting.raw(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    ) as raw:
        block = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        try:
            for _ in range(64):
                raw.sendall(block)
        except OSError:
            pass  # it has hung up already
        else:
            assert raw.recv(12) == b"HTTP/1.1 413"
    assert parroting.post(b"x", Content_Encoding="gzip")[0] == 415
    lives(parroting)


def test_paths_and_methods_that_there_are_not(parroting: Serving) -> None:
    for method, path, status in (
        ("GET", "/", 404),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/v1/../etc/passwd", 404),
        ("POST", "/v1/embeddings", 404),
        ("PUT", "/gemcli/v1/blobs/../../x", 400),
        ("PUT", "/gemcli/v1/blobs/" + "A" * 64, 400),
    ):
        found = parroting.request(method, path)
        assert (found[0], is_error(found[2])) == (status, True), (method, path, found)


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    ],
)
def test_garbage_is_no_http(parroting: Serving, data: bytes) -> None:
    with parroting.raw() as raw:
        try:
            raw.sendall(data)
            raw.settimeout(15)
            answer = raw.recv(100)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert parroting.request("GET", "/health")[0] == 200


def test_random_changes_of_a_request_break_nothing(parroting: Serving) -> None:
    """Values of other types in the place of each, and bytes that are damaged."""
    rng = random.Random(7)
    data = base64.b64encode(b"It is gold.\n").decode()
    good = {
        "model": "parrot",
        "temperature": 0,
        "max_tokens": 2,
        "stop": ["x"],
        "stream_options": {"include_usage": True},
        **user({"type": "text", "text": "Is it?"}, file(data), image("data:,x")),
    }
    odd = [None, True, -1, 1e308, "", "\ud800", [], {}, [[]], {"type": "text"}, "data:;base64,AA", 10**18]
    for _ in range(60):
        body = json.loads(json.dumps(good))
        places = list(_places(body))
        holder, key = rng.choice(places)
        holder[key] = rng.choice(odd)
        status, found = parroting.post(body)
        assert status in (200, 400, 404), (body, found)
        assert status == 200 or is_error(found)
        raw = bytearray(json.dumps(good).encode())
        for _ in range(3):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        status, found = parroting.post(bytes(raw))
        assert status in (200, 400, 404), (raw, found)
    lives(parroting)
    assert "defect" not in parroting.stderr
    assert "Traceback" not in parroting.stderr


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def test_other_hosts_and_origins_are_refused(parroting: Serving) -> None:
    """A page in a browser reaches a local server by a name of its own, or posts a form to it."""
    body = {"messages": QUESTION}
    status, found = parroting.post(body, Host=f"evil.example:{parroting.port}")
    assert (status, found["error"]["code"]) == (403, "forbidden_host")
    status, found = parroting.post(body, Origin="https://evil.example", Content_Type="text/plain")
    assert (status, found["error"]["code"]) == (403, "forbidden_origin")
    for odd in ("null", "http://[", "//"):
        assert parroting.post(body, Origin=odd)[0] == 403
    assert parroting.post(body, Host=f"localhost:{parroting.port}")[0] == 200
    own = f"127.0.0.1:{parroting.port}"
    status, headers, _ = parroting.request("POST", "/v1/chat/completions", body, Origin=f"http://{own}")
    assert status == 200
    assert not any(name.startswith("access-control") for name in headers)


def test_keys(serve: Any, parrot: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# ours\nfirst-key-123\n\nsecond-key-456\n")
    server = serve(parrot, "--api-key-file", str(keys), "--allow-origin", "https://chat.example")
    body = {"messages": QUESTION}
    for wrong in ({}, {"Authorization": "Bearer first-key-12"}, {"Authorization": "Basic first-key-123"}):
        status, headers, found = server.request("POST", "/v1/chat/completions", body, **wrong)
        assert (status, found["error"]["code"]) == (401, "invalid_api_key")
        assert headers["www-authenticate"] == "Bearer"
    for path in ("/v1/models", "/metrics", "/gemcli/v1"):
        assert server.request("GET", path)[0] == 401
    assert server.request("GET", "/health")[0] == 200
    for key in ("first-key-123", "second-key-456"):
        assert server.openai(api_key=key).chat.completions.create(model="parrot", messages=QUESTION)
    status, headers, _ = server.request(
        "POST",
        "/v1/chat/completions",
        body,
        Authorization="Bearer first-key-123",
        Origin="https://chat.example",
    )
    assert (status, headers["access-control-allow-origin"]) == (200, "https://chat.example")
    for key in ("first-key", "second-key"):
        assert key not in server.stderr


def test_slow_clients_are_given_up(serve: Any, parrot: Path) -> None:
    server = serve(parrot, "--patience", "1")
    heads = [server.raw(b"POST /v1/chat/completions HTTP/1.1\r\nHost: loc") for _ in range(20)]
    mute = server.raw()
    body = server.raw(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
    )
    began = time.monotonic()
    assert server.request("GET", "/health")[0] == 200, "others are served meanwhile"
    for raw in (*heads, mute, body):
        raw.settimeout(30)
        assert raw.recv(12) == b"HTTP/1.1 408"
        raw.close()
    assert time.monotonic() - began < 25
    lives(server)
