"""Which function answers which path and method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from gemcli.server.faults import Fault

Handler = Callable[[Request], Awaitable[ASGIApp]]

REST = "/*"
"""Ends a path below which everything is taken; what it is stands in ``path_params["rest"]``."""


class Paths:
    """Hands requests on.

    Args:
        table: path → method → function.  ``HEAD`` is answered as ``GET``.
    """

    def __init__(self, table: Mapping[str, Mapping[str, Handler]]) -> None:
        self._table = table

    def find(self, path: str) -> tuple[str, str] | None:
        """The entry of a path, and what stands in the place of its star; None where there is none."""
        if path in self._table:
            return path, ""
        for entry in self._table:
            if entry.endswith(REST) and path.startswith(entry[:-1]):
                return entry, path[len(entry) - 1 :]
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            Fault: there is no such path, or it does not take the method.
        """
        found = self.find(scope["path"])
        if found is None:
            raise Fault(404, f"{scope['path'][:200]} is no path of this server", code="not_found")
        entry, rest = found
        methods = self._table[entry]
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in methods:
            known = ", ".join(methods)
            raise Fault(405, f"{entry} takes {known}, not {scope['method'][:20]}", headers={"Allow": known})
        scope["path_params"] = {"rest": rest}
        response = await methods[method](Request(scope, receive))
        await response(scope, receive, send)
