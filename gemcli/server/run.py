"""A server from its settings: model, sockets, rules, and what is said while it runs."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gemcli.errors import UsageError
from gemcli.events import Event
from gemcli.plural import counted
from gemcli.request import Request
from gemcli.server.app import Api, application
from gemcli.server.blobs import Blobs
from gemcli.server.gate import Gate
from gemcli.server.guard import LOOPBACK, Rules, digest
from gemcli.server.limits import Limits
from gemcli.server.listen import bind, bind_unix, serve
from gemcli.server.metrics import Metrics
from gemcli.server.own import Own
from gemcli.server.served import Served

_SHORTEST_KEY = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is started with.

    Attributes:
        base: settings that every request gets.
        limits: its bounds.
        host, port: where it listens, unless there is a `socket`.
        socket: a Unix socket.
        keys: those that open it; none where no key is needed.
        origins: other origins whose pages may ask.
        any_model: whether requests may name other models that are installed.
        may_fetch: whether images may be named by their addresses.
        keep_alive_s: seconds without a request after which it ends; None: never.
        parallel: answers at once; None: as many as memory allows.
        debug: show tracebacks.
    """

    base: Request
    limits: Limits
    host: str = "127.0.0.1"
    port: int = 8080
    socket: Path | None = None
    keys: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    any_model: bool = False
    may_fetch: bool = False
    keep_alive_s: float | None = None
    parallel: int | None = None
    debug: bool = False

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.socket is not None or self.host in LOOPBACK


class Server:
    """A server; a context manager that stops listening at its end.

    Args:
        settings: how it serves.

    Raises:
        GemcliError: it cannot listen there.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._served = Served(settings.base, any_model=settings.any_model, slots=settings.parallel)
        unix = settings.socket
        self._listening = bind_unix(unix) if unix else bind(settings.host, settings.port)
        self._name = unix

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._unname()
        self._listening.close()

    def _unname(self) -> None:
        """Take the socket's name away, as long as it is ours: once we do not listen, others may take it."""
        if self._name is not None:
            self._name.unlink(missing_ok=True)
            self._name = None

    @property
    def address(self) -> str:
        """Where it listens, as clients write it."""
        if self._settings.socket:
            return f"unix:{self._settings.socket}"
        host, port = self._settings.host, self._listening.getsockname()[1]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def model(self) -> str:
        """The name of the served model, once it is loaded."""
        return self._served.name

    def load(self, show: Callable[[Event], None]) -> int:
        """Load the model; returns how many are answered at once.

        Raises:
            GemcliError, ModelError: it cannot be had.
        """
        return self._served.start(show)

    def run(
        self,
        slots: int,
        *,
        started: Callable[[], None],
        log: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        """Serve until told to stop.

        Args:
            slots: answers at once.
            started: told when it serves.
            log: told of every request, in a line.
            say: told what else a person should know.
        """
        settings, limits = self._settings, self._settings.limits
        gate, alive = Gate(slots, limits.queue), settings.keep_alive_s

        def failed(error: BaseException) -> None:
            said = " ".join(str(error).split())[:300]
            say(f"a defect: {type(error).__name__}: {said} (--debug shows where)")
            if settings.debug:
                traceback.print_exception(error, file=sys.stderr)

        def stopping() -> None:
            self._unname()
            if gate.running:
                say(f"stopping: {counted(gate.running, 'answer')} may take {limits.grace_s:g} s to end")

        hosts = LOOPBACK if settings.is_local and not settings.socket else None
        origins = tuple(each.rstrip("/") for each in settings.origins)  # a browser sends it without
        rules = Rules(frozenset(map(digest, settings.keys)), hosts, origins)
        api = Api(self._served, limits, settings.may_fetch, Metrics(), gate, failed)
        with Blobs(limits) as blobs:
            about = {**self._served.about(), "max_tokens": limits.max_tokens} if settings.socket else {}
            own = Own(api, blobs, about)
            serve(
                application(api, rules, log=log, extra=own.table()),
                [self._listening],
                limits,
                started=started,
                stopping=stopping,
                idle=None if alive is None else lambda: gate.idle_s > alive,
            )


def read_keys(file: Path | None) -> tuple[str, ...]:
    """The keys that open a server: a line each in a file, or the variable ``GEMCLI_API_KEY``.

    Raises:
        UsageError: the file cannot be read, or a key is too short to be one.
    """
    if file is None:
        text = os.environ.get("GEMCLI_API_KEY", "")
        source = "GEMCLI_API_KEY"
    else:
        source = str(file)
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise UsageError(f"cannot read the keys in {file}: {why}") from None
    keys = tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    if file is not None and not keys:
        raise UsageError(f"there is no key in {file}", "Write one into it: openssl rand -hex 24")
    if any(len(key) < _SHORTEST_KEY for key in keys):
        raise UsageError(
            f"a key in {source} is shorter than {_SHORTEST_KEY} characters", "Make one: openssl rand -hex 24"
        )
    return keys
