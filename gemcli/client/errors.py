"""What is wrong with a server, whatever it is asked: no other question would fare better just now."""

from __future__ import annotations

from gemcli.errors import GemcliError


class ServerError(GemcliError):
    """The server cannot be reached, is none of ours, or does not let us in."""


class ServerBusyError(GemcliError):
    """The server has more to do than it takes on.

    Args:
        message: what it said.
        retry_s: seconds after which it may be asked again.
    """

    def __init__(self, message: str, retry_s: float) -> None:
        super().__init__(message, "Ask again later, or start the server with a longer --queue.")
        self.retry_s = retry_s


class BrokeOffError(GemcliError):
    """The connection ended before the answer did."""
