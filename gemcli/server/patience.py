"""How long a connection may say nothing: the head of a request has its time, and connections are counted.

Without it a few clients that send a byte now and then hold a server for ever.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from gemcli.server.faults import Fault
from gemcli.server.limits import Limits

_BYE = (
    b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
)


class Patient(H11Protocol):
    """One connection, with an end to our patience."""

    limits = Limits()
    _alarm: asyncio.TimerHandle | None = None

    @classmethod
    def within(cls, limits: Limits) -> type[Patient]:
        """The protocol with these bounds."""
        return type("Patient", (cls,), {"limits": limits})

    def connection_made(self, transport: Any) -> None:
        """Count it, and begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            busy = Fault(503, "too many connections", kind="server_error", code="too_many_connections")
            self._bye(busy, b"Service Unavailable")
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes; a request that begins has its time from now on."""
        if self._alarm is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()
        super().data_received(data)

    def handle_events(self) -> None:
        """Take what has come; the wait is over once the head of a request is there."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._stop()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._bye(Fault(400, "that is no HTTP request", code="bad_request"), b"Bad Request")

    def _wait(self) -> None:
        self._stop()
        self._alarm = self.loop.call_later(self.limits.header_s, self._give_up)

    def _stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self._bye(Fault(408, "the request came too slowly", code="timeout"), b"Request Timeout")

    def _bye(self, fault: Fault, phrase: bytes) -> None:
        body = json.dumps(fault.body()).encode()
        self.transport.write(_BYE % (fault.status, phrase, len(body), body))
        self.transport.close()
