"""Where a server listens, how it is started, and how it ends: running answers first."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from gemcli.errors import GemcliError, UsageError
from gemcli.server.limits import Limits
from gemcli.server.patience import Patient

_BACKLOG = 512


def bind(host: str, port: int) -> socket.socket:
    """A listening socket of the network.

    Raises:
        GemcliError: the address is taken, or not of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise GemcliError(
            f"cannot listen on {host}:{port}: {why}", "--port 0 takes a port that is free."
        ) from error
    return listening


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket that this user alone may connect to; one that nobody listens on is replaced.

    Raises:
        GemcliError: somebody listens there, or it cannot be made.
        UsageError: there is something else of that name, or this system has no such sockets.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("this system has no Unix sockets", "Leave --socket out.")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _lives(path):
            path.unlink()
        elif path.exists():
            raise UsageError(
                f"{path} is there already" + (", and somebody listens" if path.is_socket() else ""),
                "Give another --socket.",
            )
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise GemcliError(f"cannot listen on {path}: {error.strerror or error}") from error
    except UsageError:
        listening.close()
        raise
    return listening


def _lives(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(1.0)
        try:
            trial.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True


def serve(
    app: ASGIApp,
    sockets: list[socket.socket],
    limits: Limits,
    *,
    started: Callable[[], None],
    stopping: Callable[[], None],
    idle: Callable[[], bool] | None = None,
) -> None:
    """Serve until a signal says to stop; answers under way are given time to end.

    Args:
        app: the application.
        sockets: where to listen.
        limits: how long clients and answers may take.
        started: told when it serves.
        stopping: told when it begins to end.
        idle: asked a few times a second whether to end because nobody came for long.
    """
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)  # what goes wrong is told by the application
    config = uvicorn.Config(
        app,
        http=Patient.within(limits),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=int(max(1, limits.idle_s)),
        timeout_graceful_shutdown=int(max(1, limits.grace_s)),
    )
    asyncio.run(_Server(config, started, stopping, idle).serve(sockets=sockets))


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        started: Callable[[], None],
        stopping: Callable[[], None],
        idle: Callable[[], bool] | None,
    ) -> None:
        super().__init__(config)
        self._told = started
        self._stopping = stopping
        self._idle = idle
        self._ended = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # type: ignore[override]
        """The first signal ends it gracefully; a second one ends the process, as everywhere."""
        before: dict[int, Any] = {
            number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
        }

        def first(number: int, _: object) -> None:
            self.should_exit = True
            for each, handler in before.items():
                signal.signal(each, handler)

        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, first)
        try:
            yield
        finally:
            for number, handler in before.items():
                with suppress(ValueError):
                    signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say so."""
        await super().startup(sockets=sockets)
        self._told()

    async def on_tick(self, counter: int) -> bool:
        """Whether it is time to end."""
        if self._idle is not None and counter % 5 == 0 and self._idle():
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and say so."""
        self._stopping()
        await super().shutdown(sockets=sockets)
