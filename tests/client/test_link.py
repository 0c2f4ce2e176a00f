"""The connection to another gemcli: it ends when it is told to, whatever it does just then."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gemcli.client.address import parse
from gemcli.client.errors import ServerBusyError, ServerError
from gemcli.client.link import Link, Refused
from gemcli.errors import GemcliError, UsageError

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A server that does what the test says."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(10)
        yield made


@pytest.mark.parametrize("key", ["two\nlines", "kéy", "\x1b[2J"])
def test_a_key_that_cannot_be_sent_is_not_shown(key: str) -> None:
    with pytest.raises(UsageError, match="GEMCLI_API_KEY") as caught:
        Link(parse("localhost"), key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "queue_full", ServerBusyError),
        (503, "too_many_connections", ServerBusyError),
        (503, "too_much_at_once", ServerBusyError),
        (401, "invalid_api_key", ServerError),
        (403, "forbidden_host", ServerError),
        (404, "not_found", ServerError),
        (400, "wrong_protocol", ServerError),
    ],
)
def test_what_is_wrong_with_a_server_is_told_from_what_is_wrong_with_a_question(
    listening: socket.socket, status: int, code: str, kind: type[Exception]
) -> None:
    said = refused(listening, status, {"error": {"message": "no", "code": code}})
    assert isinstance(said, kind)
    if isinstance(said, ServerBusyError):
        assert said.retry_s == 7


def test_all_files_that_are_missing_are_heard_of(listening: socket.socket) -> None:
    missing = [f"{number:064x}" for number in range(100_000)]
    said = refused(listening, 409, {"error": {"message": "no", "code": "missing_files"}, "missing": missing})
    assert isinstance(said, Refused)
    assert said.body["missing"] == missing


def refused(listening: socket.socket, status: int, answer: Any) -> Exception:
    """What a link raises when it is told this."""
    body = json.dumps(answer).encode()

    def refuse() -> None:
        there, _ = listening.accept()
        with there:
            there.recv(65536)
            there.sendall(
                b"HTTP/1.1 %d No\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
            )
            there.sendall(body)

    server = threading.Thread(target=refuse)
    server.start()
    try:
        with Link(parse(f"127.0.0.1:{listening.getsockname()[1]}")) as link:
            link.get("/gemcli/v1")
    except GemcliError as error:
        return error
    finally:
        server.join()
    pytest.fail("it was not refused")


@pytest.mark.parametrize("more", [b"Transfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n", b"\r\n\n"])
def test_closing_does_not_wait_for_a_silent_server(listening: socket.socket, more: bytes) -> None:
    """One thread reads the answer, another one hears of an interrupt."""
    link = Link(parse(f"127.0.0.1:{listening.getsockname()[1]}"))
    heard: list[BaseException] = []

    def read() -> None:
        try:
            list(link.lines("/gemcli/v1/answer", {}))
        except Exception as error:
            heard.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    there, _ = listening.accept()
    with there:
        there.recv(65536)
        there.sendall(_HEAD + more)
        time.sleep(0.2)
        assert reader.is_alive(), "it waits for a line"
        closing = threading.Thread(target=link.close, daemon=True)
        closing.start()
        closing.join(5)
        assert not closing.is_alive()
        there.settimeout(5)
        while there.recv(65536):  # until the server hears of it
            pass
        reader.join(5)
        assert not reader.is_alive()
