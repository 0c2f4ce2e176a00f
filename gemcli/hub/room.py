"""Whether there is room for a model, said before anything is loaded, and what there would be room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemcli.errors import OutOfMemoryError
from gemcli.hub import anatomy
from gemcli.hub.aliases import ALIASES
from gemcli.hub.catalog import CATALOG
from gemcli.hub.devices import accelerators
from gemcli.hub.memory import available_bytes
from gemcli.hub.size import size_text

if TYPE_CHECKING:
    from model.card import ModelCard

_NAMED = 3  # models that a hint names
_BESIDE = 500_000_000  # bytes that a small model takes beside its weights


def check_room(name: str, card: ModelCard, tokens: int, bits: int = 16, *, ahead: bool = False) -> None:
    """Raise unless the device has memory for a model and a context.

    Args:
        name: of the model.
        card: its headers.
        tokens: of the context that is needed at least.
        bits: of a value in its cache.
        ahead: the array library is not loaded, and need not be: the system is asked what a device has.

    Raises:
        OutOfMemoryError: it has not; the message has the numbers, the hint what fits.
    """
    from model import footprint
    from model.memory import accelerator_bytes

    first = next(iter(accelerators()), None) if ahead else None
    accelerator = accelerator_bytes() if first is None else first.memory
    if first is not None and accelerator is None:
        return
    free = available_bytes() if accelerator is None else accelerator
    about = anatomy.of_card(card)
    cache = footprint.cache_bytes(about.config, tokens, bits)
    need = about.weights + about.encoders + cache
    if free is None or need <= free:
        return
    parts = [f"{size_text(about.weights)} for its weights"]
    parts += [f"{size_text(about.encoders)} for sight and hearing"] if about.encoders else []
    parts += [f"{size_text(cache)} for {tokens:,} tokens"] if cache else []
    where = "memory" if accelerator is None else "the accelerator's memory"
    raise OutOfMemoryError(
        f"{name} needs {size_text(need)} of {where} ({', '.join(parts)}), and {size_text(free)} are free",
        _hint(about, cache, free, bits),
    )


def _hint(about: anatomy.Anatomy, cache: int, free: int, bits: int) -> str:
    from model import footprint

    said = []
    left = free - about.weights - about.encoders
    if left >= 0:
        fit = [(footprint.longest(about.config, left, each), each) for each in (16, 8)]
        lengths = " and ".join(f"{most:,} tokens at --kv-bits {each}" for most, each in fit if most)
        said.append(f"There is room for {lengths}." if lengths else "There is no room for a context.")
        said.append("Give a smaller --context, or ask about less.")
    small = footprint.weights_bytes(about.config, "int4")
    if small < about.weights and small + about.encoders + cache <= free:
        said.append(f"In 4 bits (a GGUF of type Q4_0) it would take {size_text(small + about.encoders)}.")
    if names := fitting(free):
        said.append(f"These fit: {', '.join(names)} (`gemcli models show NAME`).")
    return " ".join(said) or "Free some memory, or use a larger machine."


def fitting(free: int) -> list[str]:
    """A few models of the catalogue for which so many bytes are enough, the largest first."""
    sizes = {each.name: each.about for each in ALIASES}
    sizes |= {each.name: each.size for each in CATALOG if each.task == "answer"}
    fit = [name for name, size in sizes.items() if size + _BESIDE <= free]
    return sorted(fit, key=lambda name: -sizes[name])[:_NAMED]
