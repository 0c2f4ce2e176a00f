"""Which model answers where none is named: one per machine, whatever is asked of it."""

from __future__ import annotations

from gemcli import settings
from gemcli.errors import UsageError
from gemcli.hub import aliases, catalog, devices, hub_name, store
from gemcli.hub.aliases import Alias
from gemcli.hub.memory import available_bytes
from gemcli.hub.size import size_text

DEFAULTS = ("qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b")
"""The embedded defaults, the better one first; the last one is for machines with little memory."""

ACCELERATED = ("gemma-4-e4b", "gemma-4-e2b")
"""The defaults of an accelerator: all the senses, and room for a long context; the better one first."""


def default_name() -> tuple[str, str]:
    """This machine's default model and, in words, why it is that one; changes and fetches nothing.

    Raises:
        UsageError: the configuration file is wrong.
    """
    chosen = settings.load_config().get("model")
    if isinstance(chosen, str) and chosen:
        return chosen, f"set in {settings.config_path()}"
    if chosen is not None:
        raise UsageError(f"`model` in {settings.config_path()} must be a name in quotes, not {chosen!r}")
    best = _accelerated()
    here = {model.name for model in store.installed() if model.state != "damaged"}
    for name in (*([best[0]] if best else []), *DEFAULTS):
        alias = aliases.find(name)
        local = alias and hub_name.find_local(hub_name.parse(alias.hub))
        if name in here or (local and local.state != "damaged"):
            return name, "it is installed"
    if best:
        return best
    free = available_bytes()
    if free is not None and free < catalog.find(DEFAULTS[0]).min_memory:
        return DEFAULTS[-1], f"only {size_text(free)} of memory are free"
    return DEFAULTS[0], "the embedded default"


def _accelerated() -> tuple[str, str] | None:
    """The Gemma 4 for the accelerator that is here, and why; None where there is none, or it is too small."""
    found = devices.accelerators()
    if not found:
        return None
    device = found[0]
    if device.memory is None:
        return ACCELERATED[0], f"the default on a {device.kind.upper()}: it has all the senses"
    for name in ACCELERATED:
        alias = aliases.find(name)
        assert alias is not None, "every default is in the catalogue"
        if needed(alias) <= device.memory:
            return (
                name,
                f"of those with all the senses the largest that leaves the {device.kind.upper()} "
                f"({device.name}, {size_text(device.memory)}) room for its {alias.window:,} tokens",
            )
    return None


def needed(alias: Alias) -> int:
    """Bytes that a model of a hub takes on an accelerator, with its whole window.

    The integers of its file are kept as they are.
    """
    from model import footprint
    from model.arch.released import released

    config = released(alias.name).config
    return alias.about + footprint.cache_bytes(config, config.context) + footprint.workspace(config)
