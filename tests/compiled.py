"""One folder of compiled programs for all processes and homes of a test run: most of its time otherwise."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_NAME = "TESTED_COMPILED"
if _NAME not in os.environ:  # else it is the one of the process that distributes tests over this and others
    os.environ[_NAME] = tempfile.mkdtemp(prefix="gemcli-compiled-")
    atexit.register(shutil.rmtree, os.environ[_NAME], ignore_errors=True)

COMPILED = Path(os.environ[_NAME])
"""What one process compiled and all others of this run take."""


def share(home: Path) -> None:
    """Have a home use them, unless it has programs of its own or cannot be written to."""
    cache = home / "cache"
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        (cache / "compiled").symlink_to(COMPILED)
