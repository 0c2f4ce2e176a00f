"""Where the beginnings of prompts are kept ready, and how much of the disk they may take."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gemcli.errors import GemcliError, UsageError
from gemcli.settings import cache_dir, config_path, load_config, make_private

if TYPE_CHECKING:
    from gemcli.request import Request
    from model.cache.shelf import Shelf

VARIABLE = "GEMCLI_CACHE_SIZE"
KEY = "cache_size"

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


def folder() -> Path:
    """The folder of all kept prefixes; it need not exist."""
    return cache_dir() / "prefix"


def shelf(request: Request, model: str) -> Shelf | None:
    """Where what is kept of a request's prompt lies; None where nothing is to be kept, or can be.

    Args:
        request: what is asked.
        model: the model's name.

    Raises:
        UsageError: the size that it may take is no size.
    """
    most = limit()
    if not request.keep or most == 0:
        return None
    from model.cache.shelf import Shelf

    try:
        root = make_private(folder())
    except GemcliError:  # a home that cannot be written to: nothing to be told of at every question
        return None
    return Shelf(root, most, model)


def limit() -> int | None:
    """Bytes that kept prefixes may take: the variable, or the configuration file; None: nobody says.

    Raises:
        UsageError: it is no size.
    """
    value: object = os.environ.get(VARIABLE)
    where = f"the variable {VARIABLE}"
    if value in (None, ""):
        config = load_config()
        value = config.get(KEY, config.get(KEY.replace("_", "-")))
        where = str(config_path())
    if value in (None, ""):
        return None
    size = parsed(str(value))
    if size is None:
        raise UsageError(f"{value!r} is no size (from {where})", "Write 10GB, 500MB or 0 for nothing.")
    return size


def parsed(text: str) -> int | None:
    """Bytes of a size as people write it (``10GB``, ``1.5 GiB``, ``0``); None where it is none."""
    found = _SIZE.fullmatch(text)
    if found is None or (found[3] and not found[2]):
        return None
    unit = _UNITS[found[2].lower()]
    if found[3]:
        unit = 1024 ** (list(_UNITS.values()).index(unit))
    return int(float(found[1]) * unit)


def settled(prefixes: object, cached: int, total: int) -> Sequence[str]:
    """Wait until an answer's prompt is kept; what is amiss, one sentence each.

    Args:
        prefixes: the engine's.
        cached, total: tokens of the prompt that were kept before, and all.
    """
    import logging

    from model.cache.disk import DiskPrefixes
    from model.engine.kept import FLUSH_S

    if not isinstance(prefixes, DiskPrefixes):
        return ()
    if cached:
        logging.getLogger("gemcli.hub").info("%s of %s prompt tokens were ready", f"{cached:,}", f"{total:,}")
    prefixes.flush(FLUSH_S)
    return prefixes.warnings()
