"""A request becomes a stream of events, by this process or by a gemcli that serves.

The one way in, shared by every command that asks a model something.  Nothing here knows a terminal.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from gemcli.events import Event
from gemcli.request import Request

if TYPE_CHECKING:
    from gemcli.loading import Loaded

ALONE = "none"
"""The `Request.host` that has nobody else asked, not even a server of this machine that is found."""


def answer(
    request: Request, loaded: Loaded | None = None, cancelled: threading.Event | None = None
) -> Generator[Event]:
    """Answer a request: `Init`, `Progress`, `Warning`, `Thought` and `Token` events, then one `Result`.

    `loaded` is for requests that come one after the other: the model is loaded for the first of them.
    `cancelled` ends it from any thread, as an interrupt does, by `gemcli.worker.Cancelled`.

    When something fails or an interrupt is thrown in, an `Error` (not for an interrupt) and the `Result`
    with what there is come first, then the exception is raised.
    """
    host = request.host
    if host is None and loaded is None:
        from gemcli.client import daemon

        host = daemon.find(request)
        request = request if host is None else replace(request, model=None)  # it has that very one
    if host not in (None, ALONE):
        from gemcli.client import remote

        yield from remote.answer(request, host, cancelled)
        return
    from gemcli import local
    from gemcli.loading import Loaded

    yield from local.answer(request, loaded or Loaded(), cancelled)
