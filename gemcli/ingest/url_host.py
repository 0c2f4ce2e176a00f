"""Hosts of URLs: looked up once, checked, and connected to at the very address that was checked.

So a page cannot send us, by a redirect or by a name that means something else a moment later, to what only
this machine or its network can reach.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult

from gemcli.errors import InputError, UsageError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last bits
_MAX_ADDRESSES = 8


@dataclass(frozen=True, slots=True)
class Host:
    """A server.

    Attributes:
        name: in ASCII, lower case; an IPv6 address without brackets.
        port: its port.
        secure: whether it is spoken to through TLS.
    """

    name: str
    port: int
    secure: bool

    @property
    def header(self) -> str:
        """As the Host header has it."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return (
            name if self.port == _DEFAULT_PORTS["https" if self.secure else "http"] else f"{name}:{self.port}"
        )

    def same_origin(self, other: Host) -> bool:
        """Whether it is the same server, or the same behind TLS, at the usual ports."""
        if self == other:
            return True
        return self.name == other.name and self.secure and (self.port, other.port) == (443, 80)


def host_of(parts: SplitResult, name: str) -> Host:
    """The server of a URL.

    Raises:
        UsageError: it has none, or one that is malformed.
    """
    try:
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError) as error:
        raise UsageError(f"{name} is no URL: {error}") from None
    host = host.rstrip(".").lower()
    if not host or any(char.isspace() or not char.isprintable() for char in host):
        raise UsageError(f"{name} is no URL: it names no server", "write it as in https://example.org/page")
    scheme = parts.scheme.lower()
    return Host(host, port or _DEFAULT_PORTS[scheme], scheme == "https")


def is_public(address: str) -> bool:
    """Whether an address is one of the open Internet: not private, local, reserved or multicast."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


class Connection:
    """An open connection that any thread may cut."""

    def __init__(self, host: Host, raw: socket.socket) -> None:
        self._host = host
        self._raw = raw

    def socket(self, context: ssl.SSLContext) -> socket.socket:
        """What to speak through; it takes the connection over."""
        if self._host.secure:
            self._raw = context.wrap_socket(self._raw, server_hostname=self._host.name)
        return self._raw

    def abort(self) -> None:
        """End whatever waits for it."""
        with suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._raw.close()


@contextmanager
def connect(host: Host, typed: Host | None, name: str, timeout: float) -> Iterator[Connection]:
    """Connect to a server.

    Args:
        host: the server.
        typed: the one that the person named, which may be anywhere; None for none.
        name: the URL, for messages.
        timeout: seconds to wait for it, and later for each block.

    Raises:
        InputError: it is not known, or has a private address and is not the one that was named.
        OSError: no connection comes about.
    """
    addresses = _addresses(host, name)
    private = [address for address in addresses if not is_public(address)]
    if private and (typed is None or not host.same_origin(typed)):
        raise InputError(
            f"{name} leads to {host.name}, a private address ({private[0]}): it is not followed there",
            "name the address that it leads to yourself, if you trust it",
        )
    raw = _first(addresses, host.port, timeout)
    connection = Connection(host, raw)
    try:
        yield connection
    finally:
        connection.close()


def _addresses(host: Host, name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InputError(
            f"{name}: no server of the name {host.name} is known", "check the name and the network"
        ) from None
    return list(dict.fromkeys(str(each[4][0]) for each in found))[:_MAX_ADDRESSES]


def _first(addresses: list[str], port: int, timeout: float) -> socket.socket:
    """A connection to the first address that answers."""
    fault = OSError("it has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            fault = error
    raise fault
