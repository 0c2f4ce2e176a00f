"""The connection to another gemcli: it ends when it is told to, whatever it does just then."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from gemcli.client.address import parse
from gemcli.client.link import Link

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A server that does what the test says."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(10)
        yield made


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
