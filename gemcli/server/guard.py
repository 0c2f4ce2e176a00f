"""What stands before every request: who may ask, from where, and what is said when something fails.

A page in a browser reaches a server on this machine too: by a name of its own that leads here, or with a form
that it posts.  So the names that a server on the loopback is called by are known, and requests of other
origins are refused unless they are allowed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gemcli.server.desk import Gone
from gemcli.server.faults import Fault, fault
from gemcli.server.metrics import Metrics

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
ANY = "*"
_OPEN = ("/health",)  # for whoever watches over the server
_CLOSES = (401, 403, 408, 413)  # what is left of the body is not waited for


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may ask.

    Attributes:
        keys: SHA-256 of every key that opens; none where no key is needed.
        hosts: names that the server may be called by; None for any.
        origins: other origins whose pages may ask; `ANY` among them: all.
    """

    keys: frozenset[bytes] = frozenset()
    hosts: Collection[str] | None = None
    origins: tuple[str, ...] = ()

    def check(self, scope: Scope, headers: Headers) -> None:
        """Refuse who may not ask.

        Raises:
            Fault: it is refused.
        """
        host = headers.get("host", "")
        if self.hosts is not None and _name(host) not in self.hosts:
            raise Fault(403, f"this server is not called {host[:200]!r}", code="forbidden_host")
        origin = headers.get("origin")
        welcome = origin is None or ANY in self.origins or origin in self.origins
        if origin is not None and not welcome and _place(origin) != host:
            raise Fault(403, f"pages of {origin[:200]!r} may not ask this server", code="forbidden_origin")
        if self.keys and scope["path"] not in _OPEN and not self._opens(headers):
            raise Fault(
                401, "the key is missing or wrong", kind="authentication_error", code="invalid_api_key"
            )

    def _opens(self, headers: Headers) -> bool:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        given = digest(key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", ""))
        found = [hmac.compare_digest(given, each) for each in self.keys]  # all of them, whichever fits
        return any(found)


class Guard:
    """Puts the rules before an application, and makes an answer of whatever goes wrong in it.

    Args:
        app: the application.
        rules: who may ask.
        metrics: what is counted.
        path_of: the application's own path that a request's is, for the counts; None for none.
        log: told of every request: client, method, path, status, seconds.
        failed: told of defects.
        send_s: seconds that a client may take to read what fills its buffers.
    """

    def __init__(
        self,
        app: ASGIApp,
        rules: Rules,
        metrics: Metrics,
        path_of: Callable[[str], str | None],
        *,
        log: Callable[[str], None],
        failed: Callable[[BaseException], None],
        send_s: float,
    ) -> None:
        self._app = app
        self._rules = rules
        self._metrics = metrics
        self._path_of = path_of
        self._log = log
        self._failed = failed
        self._send_s = send_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            try:
                # Not `wait_for`: in Python 3.11 it forgets that it was cancelled where `send` ends just then.
                async with asyncio.timeout(self._send_s):
                    await send(message)
            except TimeoutError:
                raise Gone from None

        try:
            self._rules.check(scope, Headers(scope=scope))
            await self._app(scope, receive, watched)
        except Exception as error:
            if isinstance(error, Gone):
                begun, status = status != 0, 499
                if begun:
                    raise  # which closes the connection
            else:
                await self._fail(error, watched, begun=status != 0)
        finally:
            path = scope["path"]
            self._metrics.request(self._path_of(path) or "other", status)
            client = scope["client"][0] if scope.get("client") else "local"
            took = time.perf_counter() - began
            self._log(f"{client} {scope['method']} {json.dumps(path)[1:-1]} {status} {took:.3f} s")

    async def _fail(self, error: Exception, send: Send, *, begun: bool) -> None:
        found = fault(error)
        if not found.expected:
            self._failed(error)
        if begun:
            raise Gone
        await send_fault(found, send)


async def send_fault(found: Fault, send: Send) -> None:
    """Answer a request with what is wrong with it."""
    body = json.dumps(found.body(), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **found.headers()}
    if found.status in _CLOSES:
        headers["Connection"] = "close"
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": found.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def digest(key: str) -> bytes:
    """What is kept of a key, and compared: all are as long."""
    return hashlib.sha256(key.encode()).digest()


def _place(origin: str) -> str | None:
    """The host, with its port, that the pages of an origin come from; None where it names none."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
