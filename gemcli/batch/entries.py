"""What a batch is asked about: one entry a file, or one a line.

Nothing is read but lists of names and, for lines, the files that hold them.  What is not there is an entry
too: it fails by itself, in its place, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gemcli.errors import GemcliError, InputError
from gemcli.events import Event, Note, Warning
from gemcli.ingest import stdin as standard_input
from gemcli.ingest.locate import STDIN, identity, locate
from gemcli.ingest.source import Source, read_bounded, unreadable


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to ask about.

    Attributes:
        name: what the record calls it.
        source: where its bytes are; None where it could not be found.
        error: why it could not.
    """

    name: str
    source: Source | None = None
    error: GemcliError | None = None


def of_files(
    files: Sequence[str],
    *,
    on_event: Callable[[Event], None],
    stdin_is_free: bool,
    besides: Path | None = None,
) -> list[Entry]:
    """An entry for every file that the words mean, each file once, in their order.

    Args:
        files: paths, directories, patterns, URLs, ``-``.
        on_event: told what was left out.
        stdin_is_free: without files, what is piped in is the one entry.
        besides: a file that is never meant: the one that the answers go to.
    """
    if not files:
        data = standard_input.read_implied(on_event) if stdin_is_free else None
        return [] if data is None else [Entry(STDIN, Source(STDIN, None, data=data))]
    found: dict[tuple[object, ...], Entry] = {}
    own = identity(Source("", besides)) if besides is not None else None
    for name in files:
        try:
            located = locate(name)
        except InputError as error:
            found.setdefault(("missing", name), Entry(name, error=error))
            continue
        for note in located.notes:
            on_event(Warning(note))
        for error in located.failed:
            found.setdefault(("missing", error.message), Entry(error.message.partition(":")[0], error=error))
        for source in located.sources:
            key = identity(source)
            if key == own:
                on_event(Note(f"{source.name} is where the answers go: it is not asked about"))
            else:
                found.setdefault(key, Entry(_label(source), source))
    return list(found.values())


def of_lines(
    files: Sequence[str], *, on_event: Callable[[Event], None], stdin_is_free: bool
) -> Iterator[Entry]:
    """An entry for every line that is not blank, as text whatever it looks like.

    Args:
        files: paths, directories, patterns, ``-``.
        on_event: told what was left out.
        stdin_is_free: without files, the lines are those piped in.
    """
    for entry in of_files(files, on_event=on_event, stdin_is_free=stdin_is_free):
        if entry.source is None:
            yield entry
            continue
        try:
            data = _bytes(entry.source, on_event)
        except GemcliError as error:
            yield Entry(entry.name, error=error)
            continue
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            line = line.removesuffix(b"\r")
            if line.strip():
                name = f"{entry.name} L{number}"
                yield Entry(name, Source(name, None, data=line, is_plain=True))


def _bytes(source: Source, on_event: Callable[[Event], None]) -> bytes:
    if source.url is not None:
        from gemcli.ingest.url import fetch

        return fetch(source.url, offline=source.wants.offline, trusted=source.trusted).data or b""
    if source.data is not None:
        return source.data
    if source.path is None:
        return standard_input.read_named(on_event)
    try:
        with source.path.open("rb") as stream:  # also a pipe, which cannot be sought in
            return read_bounded(stream.read, source.name)
    except OSError as error:
        raise unreadable(source.name, error) from error


def _label(source: Source) -> str:
    """The name with the range that was asked of this file, so that two ranges of one file have two names."""
    if source.selection is not None:
        return f"{source.name}#{source.selection.unit}={source.selection.text}"
    if source.clip != (None, None):
        return source.name + "#t=" + ",".join("" if each is None else f"{each:g}" for each in source.clip)
    return source.name
