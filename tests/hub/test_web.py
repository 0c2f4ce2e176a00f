"""HTTP beneath the sources: redirects, deadlines, and what is said of failures."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.error

import pytest

from gemcli.hub import web
from tests.hub.conftest import Hub


def get(url: str, within: float = 5.0) -> web.Reply:
    return web.get(url, headers={}, authorization=None, within=within)


def test_an_endless_redirect_ends(hub: Hub) -> None:
    hub.refuse["owner/repo"] = (302, {"Location": "/owner/repo"})
    with pytest.raises(OSError, match="more than 10 redirects"):
        get(f"{hub.url}/owner/repo")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_leads_to_http_only(hub: Hub, target: str) -> None:
    hub.refuse["owner/repo"] = (302, {"Location": target})
    with pytest.raises(OSError, match="is no http address"):
        get(f"{hub.url}/owner/repo")


def test_a_redirect_on_the_same_host_keeps_the_token(hub: Hub) -> None:
    hub.refuse["old/name"] = (307, {"Location": "/new/name"})
    hub.refuse["new/name"] = (200, {})
    with web.get(f"{hub.url}/old/name", headers={}, authorization="Bearer x", within=5) as reply:
        assert reply.status == 200
    assert [each.authorization for each in hub.seen] == ["Bearer x", "Bearer x"]


def test_the_first_hop_says_what_is_linked(hub: Hub) -> None:
    hub.files["owner/repo/x"] = b"content"
    with get(f"{hub.url}/owner/repo/resolve/main/x") as reply:
        assert reply.linked["X-Repo-Commit"] == "c0ffee"
        assert reply.linked["X-Linked-Size"] == "7"
        assert b"".join(iter(lambda: reply.read(100), b"")) == b"content"


def test_a_name_that_takes_long_to_look_up_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> list[object]:
        time.sleep(2)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.2 s"):
        get("http://nowhere.invalid/", within=0.2)
    assert time.monotonic() - begin < 1.5


def test_what_is_no_http_answer_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        import threading

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(web.OFFLINE_ERRORS) as caught:
            get(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
    assert "SSH" in web.why(caught.value)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")), "Connection refused"),
        (urllib.error.URLError("unknown url type: x"), "<urlopen error unknown url type: x>"),
        (TimeoutError("timed out"), "it stopped answering"),
        (TimeoutError("no answer within 5 s"), "no answer within 5 s"),
        (http.client.IncompleteRead(b""), "the connection was dropped"),
        (OSError("more than 10 redirects"), "more than 10 redirects"),
        (http.client.BadStatusLine("SSH-2.0"), "its answer is no HTTP ('SSH-2.0')"),
        (http.client.RemoteDisconnected("Remote end closed"), "Remote end closed"),
        (OSError(), "OSError"),
    ],
)
def test_failures_in_few_words(error: Exception, text: str) -> None:
    assert web.why(error) == text


def test_an_untrusted_certificate_says_what_to_do() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    said = web.why(urllib.error.URLError(error))
    assert "self-signed" in said
    assert "SSL_CERT_FILE" in said
