"""What a C library prints to stderr by itself is kept from the person: its failure is told by us.

The file descriptor itself is turned away, for all threads: hold it only around one call into the library.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()
_STDERR = 2


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing that is written to file descriptor 2 inside the block is seen."""
    with _LOCK:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # it is closed: nothing can be seen anyway
            yield
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, _STDERR)
            os.close(nowhere)
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
