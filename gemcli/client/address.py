"""Where another gemcli serves: a URL, ``HOST:PORT``, or a Unix socket."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gemcli.errors import UsageError

PORT = 8080
_HINT = "Write it as in http://192.168.1.5:8080, 192.168.1.5:8080 or unix:/run/user/1000/gemcli.sock."


@dataclass(frozen=True, slots=True)
class Address:
    """A server.

    Attributes:
        shown: as it is written in messages.
        host, port: of the network; empty with a `socket`.
        secure: through TLS.
        socket: a Unix socket.
        base: stands before every path; "" or such as ``/llm``.
    """

    shown: str
    host: str = ""
    port: int = 0
    secure: bool = False
    socket: Path | None = None
    base: str = ""


def parse(text: str) -> Address:
    """The address that is meant by ``--host``.

    Raises:
        UsageError: it is none.
    """
    text = text.strip()
    if text.startswith(("unix:", "/", "./", "~")):
        path = Path(re.sub(r"\Aunix:(//(?=/))?", "", text)).expanduser()
        return Address(f"unix:{path}", socket=path)
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "http", text
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if scheme.lower() not in ("http", "https") or not host or parts.query or parts.fragment:
        raise UsageError(f"--host {text!r} is no address of a server", _HINT)
    if parts.username is not None:
        raise UsageError("--host holds a name or password", "Set the key in GEMCLI_API_KEY.")
    secure = scheme.lower() == "https"
    usual = (443 if secure else 80) if mark else PORT
    base = re.sub(r"/v1/?\Z|/\Z", "", parts.path)
    return Address(f"{scheme.lower()}://{parts.netloc}{base}", host, port or usual, secure, base=base)
