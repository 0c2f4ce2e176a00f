"""What ``gemcli models`` tells of a model without opening it: its row in the list, and its facts."""

from __future__ import annotations

from typing import Any, Protocol

from gemcli.errors import ModelUnavailableError, UsageError
from gemcli.hub import aliases, catalog, hub_name, resolve, store
from gemcli.hub.aliases import ALIASES, Alias
from gemcli.hub.default import default_name
from gemcli.hub.recorded import Installed


class Known(Protocol):
    """What entries, aliases and installed models have in common."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def licence_url(self) -> str: ...
    @property
    def total(self) -> int: ...


def rows() -> list[dict[str, Any]]:
    """The catalogue, with what it names on a hub; then other installed models, and unfinished downloads."""
    here = {model.name: model for model in store.installed()}
    begun = {model.name: done for model, done in store.unfinished()}
    default = default_name()[0]
    found = [
        row(each, here.pop(each.name, None), store.partial_bytes(each), each.window, each.senses)
        for each in catalog.CATALOG
    ]
    for alias in ALIASES:
        model = _installed(alias)
        gathered = sum(begun.pop(name) for name in list(begun) if _is_of(alias, name))
        if model:
            here.pop(model.name, None)
        found.append(row(alias, model, gathered, alias.window, alias.senses))
    found += [row(model, model, 0) for model in here.values()]
    named = {each["name"] for each in found}
    others = [(model, done) for model, done in store.unfinished() if model.name in begun]
    found += [row(model, None, done) for model, done in others if model.name not in named]
    return [{**each, "default": each["name"] == default} for each in found]


def row(
    about: Known,
    model: Installed | None,
    gathered: int,
    window: int | None = None,
    senses: tuple[str, ...] = ("text",),
) -> dict[str, Any]:
    """One model.

    Args:
        about: what is known of it.
        model: it, in the store.
        gathered: bytes of an unfinished download.
        window, senses: of the model.
    """
    if model:
        state = "damaged" if model.state == "damaged" else "installed"
    else:
        state = f"{min(100 * gathered // about.total, 99)} % downloaded" if gathered else "not installed"
    return {
        "name": about.name,
        "title": about.title,
        "size": model.total if model else about.total,
        "size_is_exact": model is not None or not isinstance(about, Alias),
        "licence": about.licence,
        "licence_url": about.licence_url,
        "window": window,
        "senses": list(senses),
        "state": state,
        "installed": state == "installed",
        "downloaded_bytes": model.total if model else gathered,
        "path": str(model.usable) if model else None,
    }


def facts(name: str, offline: bool) -> tuple[dict[str, Any], Installed | None]:
    """What is known of a model without opening it, and the model in the store, if it is there.

    Raises:
        UsageError: no model is called that.
        ModelUnavailableError: it would have to be looked up, and may not or cannot be.
    """
    if alias := aliases.find(name):
        return _of_alias(alias)
    if name.startswith(hub_name.PREFIX):
        model = hub_name.find_local(hub_name.parse(name))
        if offline and not model:
            raise ModelUnavailableError(
                f"{name} is not installed, and --offline forbids looking it up",
                f"Run: gemcli models show {name}",
            )
        from gemcli.hub.hub_repo import look_up

        entry = hub_name.entry_of(model) if model else look_up(hub_name.parse(name))
    else:
        try:
            entry = catalog.find(name)
            model = store.find_installed(entry.name)
        except UsageError:
            if not resolve.is_path(name):
                raise
            return _of_path(name), None
    found = row(entry, model, store.partial_bytes(entry), entry.window, entry.senses)
    del found["installed"], found["downloaded_bytes"]
    more: dict[str, Any] = {"sha256": entry.sha256, "sources": [str(each) for each in entry.sources]}
    more |= {"came_from": model.source} if model else {}
    more |= {"task": entry.task} if entry.task != "answer" else {}
    return {**found, **more}, model


def stored_name(name: str) -> str:
    """The name under which a model, or a part of it, lies in the store.

    Raises:
        UsageError: no model is called that.
        ModelUnavailableError: nothing of it is there.
    """
    meant = aliases.meant(name)
    if meant.startswith(hub_name.PREFIX):
        found = hub_name.find_local(hub_name.parse(meant))
        meant = found.name if found else meant
    else:
        meant = catalog.find(meant).name
    if store.is_present(meant):
        return meant
    begun = [model.name for model, _ in store.unfinished()]
    also = f" Unfinished: {', '.join(begun)}." if begun else ""
    raise ModelUnavailableError(f"{name} is not installed", f"`gemcli models list` shows what is.{also}")


def _of_alias(alias: Alias) -> tuple[dict[str, Any], Installed | None]:
    model = _installed(alias)
    gathered = sum(done for each, done in store.unfinished() if _is_of(alias, each.name))
    found = row(alias, model, gathered, alias.window, alias.senses)
    del found["installed"], found["downloaded_bytes"]
    more: dict[str, Any] = {"sha256": model.sha256} if model else {}
    more |= {"sources": [alias.hub]} | ({"came_from": model.source} if model else {})
    return {**found, **more}, model


def _of_path(name: str) -> dict[str, Any]:
    path = resolve.local_file(name)
    files = path.glob("*.safetensors") if path.is_dir() else [path]
    size = sum(each.stat().st_size for each in files)
    state = "a folder" if path.is_dir() else "a file"
    return {"name": name, "state": state, "path": str(path), "size": size}


def _installed(alias: Alias) -> Installed | None:
    return hub_name.find_local(hub_name.parse(alias.hub))


def _is_of(alias: Alias, name: str) -> bool:
    return name.lower() == alias.hub.lower()
