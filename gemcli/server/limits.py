"""How much one server takes and gives: the bounds that keep one client from spoiling it for the others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a server.

    Attributes:
        parallel: answers that are worked on at once.
        queue: requests that may wait for their turn; one more is turned away.
        max_tokens: tokens of one answer at most; None: what the window leaves.
        body_bytes: of one request.
        bodies_bytes: of all requests together while they come.
        blob_bytes: of one uploaded file.
        store_bytes: of all uploaded files together.
        keep_s: seconds for which an uploaded file is kept after it was last asked about.
        header_s: seconds in which the head of a request must have come.
        idle_s: seconds between two requests of one connection.
        body_s: seconds without a byte of the body after which it is given up.
        rate: bytes in a second that a body must come at least, after the first `body_s`.
        send_s: seconds that a client may take to read what fills its buffers.
        pulse_s: seconds of silence after which a stream says that it still lives.
        answer_s: seconds that one answer may take.
        grace_s: seconds that running answers have to end when the server is told to stop.
        connections: at once.
    """

    parallel: int = 1
    queue: int = 64
    max_tokens: int | None = None
    body_bytes: int = 64 << 20
    bodies_bytes: int = 1 << 30
    blob_bytes: int = 4 << 30
    store_bytes: int = 8 << 30
    keep_s: float = 900.0
    header_s: float = 10.0
    idle_s: float = 75.0
    body_s: float = 20.0
    rate: int = 1 << 10
    send_s: float = 60.0
    pulse_s: float = 15.0
    answer_s: float = 3600.0
    grace_s: float = 30.0
    connections: int = 512
