"""A page or file from the web: http and https, bounded in size and time, never from a private address that
the person did not name.
"""

from __future__ import annotations

import base64
import codecs
import http.client
import ssl
import threading
import time
import zlib
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from gemcli.errors import InputError, UsageError
from gemcli.ingest.source import Source, shown_url
from gemcli.ingest.url_host import Host, connect, host_of

#: Bytes of one download, before and after it is unpacked.
MAX_BYTES = 100 << 20

#: Seconds without a byte, and for all of it.
STALL = 30.0
TOTAL = 600.0

MAX_REDIRECTS = 5

_BLOCK = 1 << 16
_MOVED = (301, 302, 303, 307, 308)
_PATH = "/%:@!$&'()*+,;=~-._"
_ADVICE = "download it with curl or a browser, then name the file"


@dataclass(frozen=True, slots=True)
class _Reply:
    """What one request brought: a place to go on to, or a body with its kind."""

    location: str | None = None
    body: bytes = b""
    media_type: str = ""
    charset: str = ""


def fetch(url: str, *, offline: bool = False, trusted: bool = True) -> Source:
    """Download a URL.

    Text that says its encoding in the headers only comes as UTF-8 with its mark.

    Args:
        url: http or https; a fragment is ignored.
        offline: nothing may be fetched.
        trusted: the person named it, so that it may be at a private address.

    Returns:
        A source named by the URL, with its bytes and the media type that the server told, "" for none.

    Raises:
        InputError: it cannot be fetched, is too large or too slow, or leads to a private address.
        UsageError: it is no URL that can be fetched.
    """
    name = shown_url(url)
    if offline:
        raise InputError(
            f"{name} is not fetched: --offline forbids it", "leave --offline away, or name a file"
        )
    parts = _split(url, name)
    typed = host_of(parts, name)
    login = _login(parts)
    deadline = time.monotonic() + TOTAL
    for _ in range(MAX_REDIRECTS + 1):
        host = host_of(parts, name)
        reply = _get(
            parts, host, typed if trusted else None, login if host.same_origin(typed) else "", deadline, name
        )
        if reply.location is None:
            return Source(name, None, reply.media_type, _as_utf8(reply))
        parts = _split(urljoin(parts.geturl(), reply.location), name)
    raise InputError(f"{name}: the server redirects more than {MAX_REDIRECTS} times", _ADVICE)


def file_name(url: str) -> str:
    """The last piece of a URL's path, "" where it has none."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def _split(url: str, name: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        scheme = parts.scheme.lower()
    except ValueError as error:
        raise UsageError(f"{name} is no URL: {error}") from None
    if scheme == "file":
        raise InputError(f"{name}: a file is named by its path, not by a file: URL", "leave out file://")
    if scheme not in ("http", "https"):
        raise InputError(
            f"{name} leads to a {scheme or 'nameless'}: URL; only http and https are fetched", _ADVICE
        )
    return parts


def _login(parts: SplitResult) -> str:
    """The header for the name and password in a URL; it goes to the server that was named only."""
    if parts.username is None:
        return ""
    said = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(said.encode()).decode("ascii")


def _get(
    parts: SplitResult, host: Host, typed: Host | None, login: str, deadline: float, name: str
) -> _Reply:
    """One request, whose socket is closed at the deadline whatever it is doing."""
    try:
        with connect(host, typed, name, STALL) as raw:
            guard = threading.Timer(max(0.0, deadline - time.monotonic()), raw.abort)
            guard.daemon = True
            guard.start()
            try:
                connection = http.client.HTTPConnection(host.name, host.port)
                connection.sock = raw.socket(ssl.create_default_context())
                reply = _exchange(connection, parts, host, login, name)
            finally:
                guard.cancel()
            if time.monotonic() >= deadline:  # an answer without a length then only seems to be complete
                _gave_up(name, f"took more than {TOTAL:.0f} seconds")
            return reply
    except ssl.SSLCertVerificationError as error:
        what = f"{name}: the certificate of {host.name} is not valid: {error.verify_message}"
        raise InputError(what, _ADVICE) from None
    except TimeoutError:
        _gave_up(name, f"sent nothing for {STALL:.0f} seconds")
    except (OSError, http.client.HTTPException, ValueError, zlib.error) as error:
        if time.monotonic() >= deadline:
            _gave_up(name, f"took more than {TOTAL:.0f} seconds")
        reason = str(error) or type(error).__name__
        raise InputError(f"{name} cannot be fetched: {reason}", "try again, or " + _ADVICE) from error


def _gave_up(name: str, what: str) -> NoReturn:
    raise InputError(f"{name}: the server {what}", "try again, or " + _ADVICE)


def _exchange(
    connection: http.client.HTTPConnection, parts: SplitResult, host: Host, login: str, name: str
) -> _Reply:
    target = quote(parts.path or "/", safe=_PATH)
    if parts.query:
        target += "?" + quote(parts.query, safe=_PATH + "?")
    connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
    headers = {"Host": host.header, "Accept": "*/*", "Accept-Encoding": "gzip, identity"}
    headers |= {"User-Agent": "gemcli", "Connection": "close"}
    if login:
        headers["Authorization"] = login
    for key, value in headers.items():
        connection.putheader(key, value)
    connection.endheaders()
    with connection.getresponse() as response:
        if response.status in _MOVED:
            location = response.headers.get("Location")
            if not location:
                raise InputError(f"{name}: the server redirects to nowhere", _ADVICE)
            return _Reply(location=location)
        if response.status != 200:
            reason = " ".join(response.reason.split())[:100]
            hint = "it asks who you are; " + _ADVICE if response.status in (401, 403) else "check the URL"
            raise InputError(f"{name}: the server answered {response.status} {reason}".rstrip(), hint)
        body = _body(response, name)
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return _Reply(None, body, kind if "/" in kind else "", response.headers.get_content_charset() or "")


def _body(response: http.client.HTTPResponse, name: str) -> bytes:
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise InputError(f"{name}: the server packs its answer by {coding}, unasked", _ADVICE)
    declared = response.length
    if declared is not None and declared > MAX_BYTES:
        raise _too_large(name)
    unpack = zlib.decompressobj(47) if coding in ("gzip", "x-gzip", "deflate") else None
    blocks: list[bytes] = []
    came = size = 0
    while block := response.read(_BLOCK):
        came += len(block)
        while block:
            piece = unpack.decompress(block, _BLOCK * 16) if unpack else block
            block = unpack.unconsumed_tail if unpack else b""
            blocks.append(piece)
            size += len(piece)
            if max(size, came) > MAX_BYTES:
                raise _too_large(name)
    if (declared is not None and came < declared) or (unpack is not None and not unpack.eof):
        of = f" of {declared:,}" if declared is not None else ""
        raise InputError(f"{name} broke off: {came:,}{of} bytes came", "try again")
    return b"".join(blocks)


def _too_large(name: str) -> InputError:
    return InputError(f"{name} is larger than {MAX_BYTES >> 20} MiB: it is not fetched", _ADVICE)


def _as_utf8(reply: _Reply) -> bytes:
    """The body; a text whose encoding stands only in the headers made one that says it itself."""
    if (
        not reply.charset
        or not reply.media_type.startswith("text/")
        or reply.body.startswith(codecs.BOM_UTF8)
    ):
        return reply.body
    try:
        codec = codecs.lookup(reply.charset)
        if codec.name in ("utf-8", "ascii") or not codec._is_text_encoding:
            return reply.body
        text = reply.body.decode("cp1252" if codec.name == "iso8859-1" else codec.name)
    except (LookupError, ValueError):
        return reply.body
    return codecs.BOM_UTF8 + text.encode("utf-8", "replace")
