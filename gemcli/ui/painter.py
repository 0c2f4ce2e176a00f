"""A thread that paints what changed: a few times a second, and never for more than a tenth of the time.

Painting in its own thread shows the end of a burst of tokens while the next one is computed, and keeps an
interrupt, which reaches only the main thread, from cutting a frame in half.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FRAMES_PER_SECOND = 15
_IDLE = 0.2  # seconds between frames while nothing is reported: clocks and spinners go on
_SHARE = 9  # seconds of rest for each second of painting
_LONGEST_REST = 1.0


class Painter:
    """Calls `paint` when woken, and now and then.

    Args:
        paint: draws what changed; it must not raise.
        prepare: called once after the first frame, to load what later frames need.
    """

    def __init__(self, paint: Callable[[], None], prepare: Callable[[], None]) -> None:
        self._paint = paint
        self._prepare = prepare
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Something changed.  The first call starts the thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="gemcli-painter", daemon=True)
            self._thread.start()
        self._wake.set()

    def stop(self) -> None:
        """Return when the last frame is done and no other will come."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        prepared = False
        while True:
            self._wake.wait(_IDLE)
            self._wake.clear()
            if self._stopped.is_set():
                return
            began = time.monotonic()
            self._paint()
            cost = time.monotonic() - began
            if not prepared:
                self._prepare()
                prepared = True
                continue
            self._stopped.wait(min(_LONGEST_REST, max(1 / FRAMES_PER_SECOND, _SHARE * cost)))
