"""HTTP as downloads need it: quick to give up on a silent host, redirects by hand, tokens never passed on.

The standard library is enough: proxies, ``NO_PROXY`` and ``SSL_CERT_FILE`` hold as they do for urllib.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import queue
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

from gemcli import __version__

STALL_S = 30.0
"""Seconds without a byte after which a connection counts as dropped."""

MAX_HOPS = 10

OFFLINE_ERRORS = (OSError, http.client.HTTPException)
"""What a failing network raises, here and while reading a body."""


class Reply:
    """A response after its redirects; a context manager that closes it.

    Attributes:
        status: the last hop's status.
        headers: the last hop's headers.
        linked: headers of all hops together, the first to name one winning: a hub says on its own hop
            what the content is, before it redirects to where the bytes are.
        url: the last hop's address.
    """

    def __init__(self, raw: Any, status: int, headers: Message, linked: Message, url: str) -> None:
        self._raw = raw
        self.status = status
        self.headers = headers
        self.linked = linked
        self.url = url

    def read(self, amount: int = -1) -> bytes:
        """What has come of the body, up to `amount` bytes (all of it by default); ``b""`` at its end."""
        # read1 keeps what came before a stall, where read would throw it away.
        return self._raw.read1(amount) if amount >= 0 else self._raw.read()

    def close(self) -> None:
        """Close the connection."""
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def get(url: str, *, headers: Mapping[str, str], authorization: str | None, within: float) -> Reply:
    """GET `url`, whatever status it ends with.

    Args:
        url: http or https.
        headers: sent on every hop.
        authorization: sent only to the host (scheme, name and port) of `url`.
        within: seconds until the headers of the last hop must be there; names that do not resolve and
            hosts with many silent addresses count too.

    Raises:
        OSError, http.client.HTTPException: no answer (`OFFLINE_ERRORS`).
    """
    answers: queue.SimpleQueue[Reply | BaseException] = queue.SimpleQueue()
    given_up = threading.Event()

    def work() -> None:
        try:
            answer: Reply | BaseException = _follow(url, headers, authorization, within)
        except BaseException as error:  # carried over to the caller's thread
            answer = error
        if given_up.is_set() and isinstance(answer, Reply):
            answer.close()
        else:
            answers.put(answer)

    # The system's name look-up takes no time limit and cannot be interrupted: leave it behind instead.
    threading.Thread(target=work, daemon=True, name="gemcli-http").start()
    try:
        answer = answers.get(timeout=within)
    except queue.Empty:
        raise TimeoutError(f"no answer within {within:g} s") from None
    finally:
        given_up.set()
    if isinstance(answer, BaseException):
        raise answer
    return answer


def why(error: BaseException) -> str:
    """A network failure in few words."""
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        error = error.reason if isinstance(error.reason, BaseException) else error
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); SSL_CERT_FILE can name your own"
    if isinstance(error, TimeoutError):
        return str(error) if "within" in str(error) else "it stopped answering"
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        return f"its answer is no HTTP ({str(error)[:60]!r})"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection was dropped"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _follow(url: str, headers: Mapping[str, str], authorization: str | None, within: float) -> Reply:
    home = urlsplit(url)
    linked = Message()
    for _ in range(MAX_HOPS):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise OSError(f"{url} is no http address")
        request = urllib.request.Request(url, headers={"User-Agent": f"gemcli/{__version__}", **headers})
        request.add_header("Accept-Encoding", "identity")
        if authorization and (parts.scheme, parts.netloc) == (home.scheme, home.netloc):
            request.add_header("Authorization", authorization)
        try:
            raw: Any = _opener().open(request, timeout=within)
        except urllib.error.HTTPError as error:
            raw = error
        for name, value in raw.headers.items():
            if name not in linked:
                linked[name] = value
        if raw.status not in (301, 302, 303, 307, 308) or "Location" not in raw.headers:
            return Reply(raw, raw.status, raw.headers, linked, url)
        raw.close()
        url = urljoin(url, raw.headers["Location"])
    raise OSError(f"more than {MAX_HOPS} redirects")


class _StallHTTP(http.client.HTTPConnection):
    """Connects within the request's time, then allows `STALL_S` between bytes."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(STALL_S)


class _StallHTTPS(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(STALL_S)


class _HTTP(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_StallHTTP, req)


class _HTTPS(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_StallHTTPS, req, context=_tls())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_HTTP(), _HTTPS(), _NoRedirect())


@functools.cache
def _tls() -> ssl.SSLContext:
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"):
        bundle = os.environ.get(variable)
        if bundle and Path(bundle).is_file():
            return ssl.create_default_context(cafile=bundle)
    context = ssl.create_default_context()
    if not context.get_ca_certs() and not _has_ca_folder():
        # Python from python.org on macOS comes without roots; pip always carries some.
        for module in ("certifi", "pip._vendor.certifi"):
            with contextlib.suppress(ImportError):
                context.load_verify_locations(import_module(module).where())
                break
    return context


def _has_ca_folder() -> bool:
    folder = ssl.get_default_verify_paths().capath
    return bool(folder) and any(Path(folder).iterdir())
