"""One folder of compiled programs for all homes of a test run: most of the time of a tiny model otherwise."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

COMPILED = Path(tempfile.mkdtemp(prefix="gemcli-compiled-"))
"""What one process compiled and all others of this run take."""

atexit.register(shutil.rmtree, COMPILED, ignore_errors=True)


def share(home: Path) -> None:
    """Have a home use them, unless it has programs of its own or cannot be written to."""
    cache = home / "cache"
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        (cache / "compiled").symlink_to(COMPILED)
