"""HTTP to another gemcli, by the standard library: one connection, over the network or a Unix socket."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn, Protocol

from gemcli.client.address import Address
from gemcli.client.errors import BrokeOffError, ServerBusyError, ServerError
from gemcli.errors import (
    DoesNotFitError,
    GemcliError,
    InputError,
    ModelUnavailableError,
    OutOfMemoryError,
    UsageError,
)

CONNECT_S = 10.0
SILENT_S = 120.0
"""Seconds without a byte after which a server counts as gone; a living one says something more often."""

_LONGEST_LINE = 1 << 28
_LONGEST_REFUSAL = 1 << 24  # the hashes of all files that one question may have
_LONGEST_WAIT_S = 30.0

Broken = (OSError, http.client.HTTPException)
"""What a failing connection raises."""


class Refused(GemcliError):
    """The server answered that it will not, or cannot.

    Args:
        message: what it said.
        hint: what to do about it.
        status: of HTTP.
        code: a word for programs; None where it gave none.
        body: its JSON.
    """

    def __init__(
        self, message: str, hint: str | None, status: int, code: str | None, body: Mapping[str, Any]
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.code = code
        self.body = body


class Readable(Protocol):
    """What the bytes of a file are read from."""

    def read(self, size: int = ..., /) -> bytes:
        """The next bytes."""
        ...


class Link:
    """A connection to a server; a context manager.

    Args:
        address: where it is.
        key: what opens it; None for none.
        connect_s: seconds until it must have taken the connection.
        silent_s: seconds without a byte after which it counts as gone.

    Raises:
        UsageError: the key is none that can be sent.
    """

    def __init__(
        self,
        address: Address,
        key: str | None = None,
        connect_s: float = CONNECT_S,
        silent_s: float = SILENT_S,
    ) -> None:
        if key is not None and not (key.isascii() and key.isprintable()):
            raise UsageError("GEMCLI_API_KEY holds what no key can: several lines, or letters beyond ASCII")
        self._address = address
        self._silent_s = silent_s
        self._key = key
        self._connection = _connection(address, connect_s)
        self._socket: socket.socket | None = None

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, whatever it does, also while another thread waits for what comes."""
        if self._socket is not None:
            with suppress(OSError):  # it is closed already
                self._socket.shutdown(socket.SHUT_RDWR)  # or closing would wait for that thread
        self._connection.close()

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object at a path.

        Raises:
            GemcliError: it cannot be had.
        """
        return _object(self._send("GET", path, None, {}))

    def put(self, path: str, body: Readable, size: int, headers: Mapping[str, str]) -> None:
        """Send bytes.

        Raises:
            GemcliError: they were not taken.
        """
        self._send("PUT", path, body, {"Content-Length": str(size), **headers}).read()

    def lines(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Post an object; the objects of the answer, a line each, as they come.

        Raises:
            GemcliError: it is refused, or the answer breaks off.
        """
        data = json.dumps(body, ensure_ascii=False).encode()
        response = self._send("POST", path, data, {"Content-Type": "application/json"})
        while True:
            try:
                line = response.readline(_LONGEST_LINE)
                if not line:
                    return
                if line.strip():
                    yield json.loads(line)
            except ValueError:
                raise GemcliError(f"{self._address.shown} answers something that is not gemcli's") from None
            except Broken as error:
                raise self._broken(error) from error

    def _send(
        self, method: str, path: str, body: Any, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        every = {"User-Agent": "gemcli", "Accept": "*/*", **headers}
        if self._key:
            every["Authorization"] = f"Bearer {self._key}"
        connection = self._connection
        try:
            if connection.sock is None:
                connection.connect()
                self._socket = _at(connection)
                self._socket.settimeout(self._silent_s)
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have refused before it read all
                connection.request(method, self._address.base + path, body, every)
            response = connection.getresponse()
        except Broken as error:
            raise self._lost(error) from error
        if response.status >= 300:
            self._refuse(response)
        return response

    def _lost(self, error: BaseException) -> GemcliError:
        shown = self._address.shown
        if isinstance(error, ssl.SSLCertVerificationError):
            return ServerError(f"the certificate of {shown} is not valid: {error.verify_message}")
        if isinstance(error, TimeoutError):
            return ServerError(
                f"{shown} does not answer", "Is the server running? `gemcli serve` starts one."
            )
        if isinstance(error, ConnectionRefusedError | FileNotFoundError | socket.gaierror):
            why = getattr(error, "strerror", None) or error
            return ServerError(
                f"no server answers at {shown}: {why}", "`gemcli serve` starts one; --host says where it is."
            )
        return self._broken(error)

    def _broken(self, error: BaseException) -> GemcliError:
        if isinstance(error, TimeoutError):
            return BrokeOffError(f"{self._address.shown} says nothing any more")
        return BrokeOffError(
            f"the connection to {self._address.shown} broke off: {error or type(error).__name__}"
        )

    def _refuse(self, response: http.client.HTTPResponse) -> NoReturn:
        try:
            body = json.loads(response.read(_LONGEST_REFUSAL))
            error = body["error"]
            message, code = str(error["message"]), error.get("code")
        except (*Broken, ValueError, LookupError, TypeError):
            body, message, code = {}, "", None
        shown = self._address.shown
        if not message or (response.status in (404, 405) and code in (None, "not_found")):
            raise ServerError(
                f"{shown} is no gemcli server, or an older one (it answers {response.status})",
                "`gemcli serve` of this version understands --host.",
            )
        if response.status == 401:
            raise ServerError(f"{shown} does not let us in: {message}", "Set its key in GEMCLI_API_KEY.")
        if response.status == 429 or code in ("too_many_connections", "too_much_at_once"):
            raise ServerBusyError(f"{shown}: {message}", _seconds(response.headers.get("Retry-After")))
        kind = _KINDS.get(str(code))
        if kind is not None:
            raise kind(f"{shown}: {message}")
        raise Refused(f"{shown}: {message}", None, response.status, code, body)


_KINDS = {
    "forbidden_host": ServerError,
    "wrong_protocol": ServerError,
    "unreadable_input": InputError,
    "context_length_exceeded": DoesNotFitError,
    "model_unavailable": ModelUnavailableError,
    "model_not_found": ModelUnavailableError,
    "out_of_memory": OutOfMemoryError,
    "usage": UsageError,
}


def _seconds(text: str | None) -> float:
    """What a ``Retry-After`` says, as far as it is to be believed."""
    return min(max(float(text), 1.0), _LONGEST_WAIT_S) if text and text.isdecimal() else 1.0


def _connection(address: Address, connect_s: float) -> http.client.HTTPConnection:
    if address.socket is not None:
        return _Unix(str(address.socket), connect_s)
    if address.secure:
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(address.host, address.port, timeout=connect_s, context=context)
    return http.client.HTTPConnection(address.host, address.port, timeout=connect_s)


def _at(connection: http.client.HTTPConnection) -> socket.socket:
    found = connection.sock
    assert found is not None, "it is connected"
    return found


def _object(response: http.client.HTTPResponse) -> dict[str, Any]:
    try:
        found = json.loads(response.read(_LONGEST_REFUSAL))
    except (*Broken, ValueError):
        found = None
    return found if isinstance(found, dict) else {}


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        if not hasattr(socket, "AF_UNIX"):
            raise OSError("this system has no Unix sockets")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise
