import gzip
import http.server
import threading
import time
import zlib

import pytest

from gemcli.errors import InputError, UsageError
from gemcli.ingest import url as module
from gemcli.ingest import url_host
from gemcli.ingest.url import fetch, file_name
from gemcli.ingest.url_host import Host, is_public


class Server:
    """A web server on this machine: `routes[path]` is (status, headers, body) or a function."""

    def __init__(self):
        self.routes = {}
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.seen.append((self.path, dict(self.headers)))
                route = outer.routes.get(self.path, (404, {}, b"no"))
                if callable(route):
                    route(self)
                    return
                status, headers, body = route
                self.send_response(status)
                for key, value in ({"Content-Length": len(body)} | headers).items():
                    if value is not None:
                        self.send_header(key, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.at = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


def test_a_page(server):
    server.routes["/a/b.html?q=1"] = (200, {"Content-Type": "text/html; charset=utf-8"}, b"<p>hi")
    source = fetch(f"{server.at}/a/b.html?q=1#part")
    assert (source.name, source.data, source.media_type) == (
        f"{server.at}/a/b.html?q=1#part",
        b"<p>hi",
        "text/html",
    )
    (_, headers), *rest = server.seen
    assert not rest
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert "Authorization" not in headers


def test_names_and_spaces(server):
    server.routes["/%C3%BC%20x"] = (200, {}, b"ok")
    assert fetch(f"{server.at}/ü x").data == b"ok"
    assert file_name("https://x.org/a/b%20c.pdf?d#e") == "b c.pdf"
    assert file_name("https://x.org/") == ""


def test_the_encoding_of_the_headers_counts(server):
    server.routes["/"] = (200, {"Content-Type": "text/plain; charset=windows-1251"}, "жук".encode("cp1251"))
    assert fetch(server.at).data == b"\xef\xbb\xbf" + "жук".encode()
    server.routes["/bin"] = (200, {"Content-Type": "application/pdf; charset=latin-1"}, b"%PDF\xff")
    assert fetch(f"{server.at}/bin").data == b"%PDF\xff"


def test_packed_answers(server):
    server.routes["/gzip"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"text" * 1000))
    server.routes["/deflate"] = (200, {"Content-Encoding": "deflate"}, zlib.compress(b"text"))
    server.routes["/br"] = (200, {"Content-Encoding": "br"}, b"x")
    server.routes["/cut"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"text" * 1000)[:-9])
    server.routes["/junk"] = (200, {"Content-Encoding": "gzip"}, b"junk")
    assert fetch(f"{server.at}/gzip").data == b"text" * 1000
    assert fetch(f"{server.at}/deflate").data == b"text"
    for path in ("br", "cut", "junk"):
        with pytest.raises(InputError):
            fetch(f"{server.at}/{path}")


def test_size_is_bounded(server, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1 << 20)
    server.routes["/said"] = (200, {"Content-Length": 200 << 20}, b"")
    server.routes["/bomb"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(5 << 20)))
    server.routes["/unsaid"] = (200, {"Content-Length": None}, bytes(2 << 20))
    for path in ("said", "bomb", "unsaid"):
        with pytest.raises(InputError, match="larger than 1 MiB"):
            fetch(f"{server.at}/{path}")


def test_what_breaks_off_is_said(server):
    server.routes["/"] = (200, {"Content-Length": 100}, b"x" * 40)
    with pytest.raises(InputError, match="40 of 100 bytes came"):
        fetch(server.at)


def test_time_is_bounded(server, monkeypatch):
    def slow(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    def silent(handler):
        time.sleep(1.5)

    server.routes.update({"/slow": slow, "/silent": silent})
    monkeypatch.setattr(module, "TOTAL", 0.5)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"took more than|broke off|cannot be fetched"):
        fetch(f"{server.at}/slow")
    assert time.monotonic() - began < 3
    monkeypatch.setattr(module, "TOTAL", 60.0)
    monkeypatch.setattr(module, "STALL", 0.3)
    with pytest.raises(InputError, match="sent nothing"):
        fetch(f"{server.at}/silent")


def test_redirects(server):
    server.routes["/a"] = (302, {"Location": "b?x=ä"}, b"")
    server.routes["/b?x=%C3%A4"] = (200, {}, b"there")
    server.routes["/loop"] = (301, {"Location": "/loop"}, b"")
    server.routes["/file"] = (301, {"Location": "file:///etc/passwd"}, b"")
    server.routes["/none"] = (301, {}, b"")
    source = fetch(f"{server.at}/a")
    assert (source.data, source.name) == (b"there", f"{server.at}/a")
    with pytest.raises(InputError, match="redirects more than 5"):
        fetch(f"{server.at}/loop")
    assert len([path for path, _ in server.seen if path == "/loop"]) == 6
    with pytest.raises(InputError):
        fetch(f"{server.at}/file")
    with pytest.raises(InputError, match="nowhere"):
        fetch(f"{server.at}/none")


def test_no_redirect_leads_to_a_private_address(server):
    other = Server()
    try:
        other.routes["/"] = (200, {}, b"secret")
        for target in (
            other.at,
            f"http://localhost:{other.port}/",
            "http://169.254.169.254/",
            "http://[::1]:1/",
        ):
            server.routes["/"] = (302, {"Location": target}, b"")
            with pytest.raises(InputError, match="a private address"):
                fetch(server.at)
        assert other.seen == []
    finally:
        other.close()


def test_a_name_that_resolves_to_a_private_address_is_not_followed(server, monkeypatch):
    real = url_host.socket.getaddrinfo
    asked = []

    def resolve(name, port, *rest, **options):
        asked.append(name)
        return real("127.0.0.1" if name.endswith(".example") else name, port, *rest, **options)

    monkeypatch.setattr(url_host.socket, "getaddrinfo", resolve)
    server.routes["/"] = (302, {"Location": f"http://evil.example:{server.port}/secret"}, b"")
    server.routes["/secret"] = (200, {}, b"secret")
    with pytest.raises(InputError, match=r"evil.example, a private address \(127.0.0.1\)"):
        fetch(server.at)
    assert fetch(f"http://own.example:{server.port}/secret").data == b"secret"  # named by the person
    assert asked.count("own.example") == 1  # looked up once: what is checked is what is connected to


def test_a_login_stays_with_its_server(server):
    other = Server()
    try:
        server.routes["/a"] = (302, {"Location": "/b"}, b"")
        server.routes["/b"] = (200, {}, b"in")
        at = server.at.replace("//", "//me:p%40ss@")
        assert fetch(f"{at}/a").data == b"in"
        assert [headers["Authorization"] for _, headers in server.seen] == ["Basic bWU6cEBzcw=="] * 2
    finally:
        other.close()
    assert not Host("a", 80, False).same_origin(Host("b", 80, False))
    assert not Host("a", 8080, False).same_origin(Host("a", 80, False))
    assert Host("a", 443, True).same_origin(Host("a", 80, False))
    assert not Host("a", 80, False).same_origin(Host("a", 443, True))


def test_refusals(server):
    with pytest.raises(InputError, match="404"):
        fetch(f"{server.at}/nothing")
    with pytest.raises(InputError, match="--offline"):
        fetch(server.at, offline=True)
    assert len(server.seen) == 1
    for wrong in ("http://", "http:///x", "http://[::1", "http://a:99999/", "http://a b/"):
        with pytest.raises((UsageError, InputError)):
            fetch(wrong)
    for wrong in ("ftp://x.org/a", "file:///etc/passwd"):
        with pytest.raises(InputError):
            fetch(wrong)
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch("http://127.0.0.1:1/")
    with pytest.raises(InputError):
        fetch(server.at.replace("http:", "https:"))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("junk", False),
    ],
)
def test_addresses(address, public):
    assert is_public(address) is public
