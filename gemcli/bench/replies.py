"""Where a measured process writes its replies, apart from everything else."""

from __future__ import annotations

import os
from typing import TextIO


def open_replies() -> TextIO:
    """What stdout was; from now on stdout is stderr, since what a library prints is no reply."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies
