"""A model in this process, as ``gemcli ask`` loads it, for what is measured inside of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gemcli.errors import DoesNotFitError
from gemcli.events import Event, Note, Progress, Warning
from gemcli.garbage import kept_from_arrays

if TYPE_CHECKING:
    from model.cache.shelf import Shelf
    from model.card import ModelCard
    from model.load import Model
    from model.reach import Mode

EDGE = 1 << 20  # bytes at each end of a file that tell it from others


def check_reach(
    name: str, card: ModelCard, tokens: int, attention: Mode, show: Callable[[Event], None]
) -> Mode:
    """How a model reads a context; says it where that is longer than it was trained for.

    Unlike a question, a measurement may go beyond the trained window with ``dense`` attention too: that is
    what the others are to be compared with.

    Raises:
        DoesNotFitError: no way of reading is offered for so many tokens.
    """
    from model.reach import LONGEST, method

    most = max(LONGEST, card.window)
    if tokens > most:
        raise DoesNotFitError(
            f"{tokens:,} tokens are asked for, with the answer, and {name} takes {most:,} at most",
            "Ask for fewer.",
        )
    how = method(card.config, attention, tokens)
    if tokens > card.window:
        show(Note(f"{tokens:,} tokens are more than the {card.window:,} of its training: attention is {how}"))
    return how


def get_ready(
    name: str,
    card: ModelCard,
    tokens: int,
    device: str,
    show: Callable[[Event], None],
    *,
    attention: Mode,
    kv_bits: int = 16,
    shelf: Shelf | None = None,
) -> Model:
    """Load a model with room for so many tokens.

    Args:
        name: of the model.
        card: what it is.
        tokens: of the longest prompt, with its answer.
        device: where to compute.
        show: gets progress.
        attention: from `check_reach`.
        kv_bits: of a value in the cache.
        shelf: where prefixes of prompts are kept.

    Raises:
        OutOfMemoryError: there is no room.
        ModelError: the file is damaged, or the device not there.
    """
    from gemcli.hub.room import check_room
    from gemcli.settings import cache_dir, make_private

    with kept_from_arrays():
        from model.load import load, prepare

        prepare(make_private(cache_dir() / "compiled"), device)
    # On a shelf there is a second state, that is recalled.
    check_room(name, card, tokens if shelf is None else 2 * tokens, kv_bits)
    show(Progress("load", 0, None, "weights", name))
    return load(
        card,
        context=max(tokens, card.window),
        attention=attention,
        kv_bits=kv_bits,
        copies=make_private(cache_dir() / "weights"),
        progress=lambda done, total: show(Progress("load", done, total, "weights", name)),
        shelf=shelf,
        warn=lambda message: show(Warning(message)),
    )


def identity(path: Path) -> list[object]:
    """What tells a model file from others without reading gigabytes: its size, and both of its ends."""
    import hashlib

    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    digest, size = hashlib.sha256(), 0
    for each in files:
        with each.open("rb") as file:
            digest.update(file.read(EDGE))
            size += file.seek(0, 2)
            file.seek(-min(EDGE, file.tell()), 2)
            digest.update(file.read())
    return [size, digest.hexdigest()]
