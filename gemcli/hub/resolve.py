"""From what follows ``-m`` to a file on this disk, pulling it first where that is allowed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gemcli import settings
from gemcli.errors import GemcliError, ModelUnavailableError, UsageError
from gemcli.events import Event, Note, Progress, Warning
from gemcli.hub import aliases, catalog, hub_name, recorded, store
from gemcli.hub.catalog import Entry
from gemcli.hub.default import ACCELERATED, DEFAULTS, default_name
from gemcli.hub.size import size_text

ASK_ABOVE = 2_000_000_000
"""Bytes above which a download is not begun without the person's word."""

OnEvent = Callable[[Event], None]
Confirm = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model that is ready: `name` as the person knows it, and the `path` of its file or folder."""

    name: str
    path: Path


def resolve(
    spec: str | None,
    *,
    offline: bool,
    on_event: OnEvent,
    may_pull: bool = True,
    confirm: Confirm | None = None,
) -> Resolved:
    """The model file that `spec` means, pulled first where need be.

    Args:
        spec: a catalogue name, ``hf:OWNER/REPO[:QUANT]``, a path to a GGUF or to a folder of safetensors, or
            None for this machine's default model.
        offline: nothing may be fetched.
        on_event: gets `Progress`, `Note` and `Warning` events.
        may_pull: False: a missing model is an error, as with `offline`, for commands that only look.
        confirm: asks whether to go on with a large download; by default on the terminal, where there is one.

    Raises:
        UsageError: no model is called that, or the configuration file is wrong.
        ModelUnavailableError: it is missing and may not or cannot be pulled, or it is damaged.
        GemcliError: the disk is full or may not be written to.
    """
    may_pull = may_pull and not offline
    if spec is None:
        return _default(offline=offline, may_pull=may_pull, on_event=on_event, confirm=confirm)
    if spec.startswith(hub_name.PREFIX):
        return _hub(spec, spec, offline, may_pull, on_event, confirm)
    if alias := aliases.find(spec):
        return _hub(alias.name, alias.hub, offline, may_pull, on_event, confirm)
    try:
        entry = catalog.find(spec)
    except UsageError:
        if is_path(spec):
            return Resolved(spec, local_file(spec))
        raise
    if entry.task != "answer":
        raise UsageError(
            f"{entry.name} writes down speech; it answers no questions",
            f"To get a transcript: gemcli transcribe --model {entry.name} FILES",
        )
    return _entry(entry, offline, may_pull, on_event, confirm)


def resolve_speech(name: str, *, offline: bool, on_event: OnEvent) -> Resolved:
    """The weights of a model that writes down speech, in a folder with all that it needs; pulled if need be.

    Raises:
        UsageError: no model is called that, or it does something else.
        ModelUnavailableError: it is missing and may not or cannot be pulled, or it is damaged.
        GemcliError: the disk is full or may not be written to.
    """
    names = [each.name for each in catalog.CATALOG if each.task == "transcribe"]
    if alias := aliases.find(name):
        raise UsageError(f"{alias.name} writes no transcripts", f"Models that do: {', '.join(names)}")
    short = {each.removeprefix("whisper-"): each for each in names}
    entry = catalog.find(short.get(name.lower(), name))
    if entry.task != "transcribe":
        raise UsageError(f"{entry.name} cannot hear", f"Models that write down speech: {', '.join(names)}")
    return _entry(entry, offline, not offline, on_event, None)


def _default(*, offline: bool, may_pull: bool, on_event: OnEvent, confirm: Confirm | None) -> Resolved:
    name, why = default_name()
    if name != settings.load_config().get("model"):
        here = _is_here(name)
        if may_pull or here:
            try:
                settings.set_config("model", name)
            except GemcliError as error:
                on_event(Warning(f"the choice of the default model {name} is not kept: {error.message}"))
        if may_pull and not here:
            on_event(Note(f"no model is installed yet; this machine's default becomes {name} ({why})"))
    try:
        return resolve(name, offline=offline, on_event=on_event, may_pull=may_pull, confirm=confirm)
    except UsageError as error:
        raise UsageError(f"{error.message} ({why})", error.hint) from error
    except ModelUnavailableError as error:
        if name not in ACCELERATED:
            raise
        small = f"`-m {DEFAULTS[0]}` is a small model that needs no hub."
        hint = f"{error.hint.rstrip('.')}. {small}" if error.hint else small
        raise ModelUnavailableError(error.message, hint) from error


def _is_here(name: str) -> bool:
    """Whether a name of the catalogue is installed, in whatever state."""
    alias = aliases.find(name)
    return bool(hub_name.find_local(hub_name.parse(alias.hub)) if alias else store.find_installed(name))


def _entry(
    entry: Entry, offline: bool, may_pull: bool, on_event: OnEvent, confirm: Confirm | None
) -> Resolved:
    found = store.find_installed(entry.name)
    if found:
        return _ready(found, on_event)
    _allow(entry.name, entry.total, offline, may_pull, confirm)
    from gemcli.hub.pull import pull  # brings in HTTP, which a model that is here does without

    return Resolved(entry.name, recorded.usable(pull(entry, on_event=on_event)))


def _hub(
    name: str, spec: str, offline: bool, may_pull: bool, on_event: OnEvent, confirm: Confirm | None
) -> Resolved:
    """A model of a hub, called `name` by the person; `spec` is its ``hf:`` name."""
    parsed = hub_name.parse(spec)
    found = hub_name.find_local(parsed)
    if found:
        ready = _ready(found, on_event)
        return ready if name == spec else Resolved(name, ready.path)
    alias = aliases.find(name)
    _allow(name, alias.about if alias else 0, offline, may_pull, confirm)
    from gemcli.hub.hub_repo import look_up

    entry = look_up(parsed)
    if not alias:
        return _entry(entry, offline, may_pull, on_event, confirm)
    asked = alias.about > ASK_ABOVE
    ready = _entry(entry, offline, may_pull, on_event, _yes if asked else confirm)
    return Resolved(name, ready.path)


def _ready(found: recorded.Installed, on_event: OnEvent) -> Resolved:
    """An installed model, hashed again first where its time is not the recorded one."""

    def verified(done: int, total: int) -> None:
        on_event(Progress("verify", done, total, "bytes", found.name))

    if found.state == "ready" or (found.state == "changed" and store.verify(found, verified)):
        return Resolved(found.name, found.usable)
    raise ModelUnavailableError(
        f"{found.name} is damaged: {found.path} is not the file that was published",
        f"Run: gemcli pull {found.name}",
    )


def _allow(name: str, size: int, offline: bool, may_pull: bool, confirm: Confirm | None) -> None:
    """Raise unless this model may be downloaded now."""
    fix = f"Run: gemcli pull {name}"
    if not may_pull:
        because = ", and --offline forbids fetching it" if offline else ""
        raise ModelUnavailableError(f"the model {name} is not installed{because}", fix)
    if size <= ASK_ABOVE:
        return
    question = f"{name} is a download of {size_text(size)}. Go on?"
    if confirm is None and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ModelUnavailableError(
            f"{name} is not installed, and a download of {size_text(size)} is not begun unasked", fix
        )
    if not (confirm or _ask)(question):
        raise ModelUnavailableError(f"{name} is not installed", fix)


def _yes(_: str) -> bool:
    """The person has said so already."""
    return True


def _ask(question: str) -> bool:
    from gemcli.ui import confirm

    return confirm(question)


def is_path(spec: str) -> bool:
    """Whether `spec`, which is no known name, is meant as a path."""
    return (
        any(mark in spec for mark in ("/", "\\"))
        or spec.startswith("~")
        or spec.lower().endswith((".gguf", ".safetensors"))
        or Path(spec).exists()
    )


def local_file(spec: str) -> Path:
    """The model at a path: a GGUF, a folder of safetensors, or such a file in its folder.

    Raises:
        ModelUnavailableError: there is no such file, it is a folder without a model, or of a format that is
            not read.
    """
    path = Path(spec).expanduser()
    if path.is_dir():
        return _local_folder(spec, path)
    if not path.exists():
        raise ModelUnavailableError(f"{spec}: there is no such file", "Check the path given with -m.")
    if not path.is_file():
        raise ModelUnavailableError(f"{spec} is no regular file", "Give the path to a GGUF file.")
    if path.suffix.lower() == ".safetensors":
        _needs_config(spec, path.parent)
        return path.parent if _SHARD.search(path.name) else path
    if path.suffix.lower() in _PICKLES:
        raise _pickled(spec)
    return path


_SHARD = re.compile(r"-\d{5}-of-\d{5}\.safetensors$")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def _local_folder(spec: str, path: Path) -> Path:
    inside = sorted(each.name for each in path.glob("*.gguf"))
    if any(path.glob("*.safetensors")):
        _needs_config(spec, path)
        return path
    if inside:
        raise ModelUnavailableError(
            f"{spec} is a folder",
            f"Name the file itself: {', '.join(str(path / each) for each in inside[:5])}",
        )
    if any(each.suffix.lower() in _PICKLES for each in path.iterdir()):
        raise _pickled(spec)
    raise ModelUnavailableError(
        f"{spec} is a folder without a model",
        "Give the path to a GGUF file, or to a folder with config.json and *.safetensors.",
    )


def _needs_config(spec: str, folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelUnavailableError(
            f"{spec}: there is no config.json beside the safetensors, which says what model they are",
            "Download all of the repository's files: config.json, the tokenizer's and *.safetensors.",
        )


def _pickled(spec: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"{spec} holds its weights as pickles, which may run any program and are never opened",
        "Take the same model in safetensors or as a GGUF.",
    )
