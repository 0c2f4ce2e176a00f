"""From the words on the command line to documents: locate, sniff, and let the kind's handler read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from gemcli.errors import InputError, UsageError
from gemcli.events import Event, Progress, Warning
from gemcli.ingest import stdin as standard_input
from gemcli.ingest.kept import read_or_recall
from gemcli.ingest.kinds import BINARY, PDF, PLAIN, is_archive, kind_name
from gemcli.ingest.locate import STDIN, identity, is_stream, locate
from gemcli.ingest.ranges import check_clip, parse
from gemcli.ingest.registry import READABLE, handler
from gemcli.ingest.sniff import sniff
from gemcli.ingest.source import EmptyError, KindError, Source, read_bounded, unreadable
from gemcli.ingest.wants import Wants
from gemcli.keep import Keep
from gemcli.parts import Document, Image
from gemcli.plural import counted

#: ``auto``: read stdin when no file is given or ``-`` is named; ``never``: it serves something else.
StdinPolicy = Literal["auto", "never"]

_REPORT_EVERY = 0.1  # seconds
_NO_KEEP = Keep("parsed", on=False)
_KEEP_GOING = "--keep-going leaves out what cannot be read"
_NOTHING = "nothing was read"
_CHANGED = "was changed while it was read: what was read may be incomplete"


def collect(
    files: Sequence[str],
    *,
    on_event: Callable[[Event], None],
    stdin: StdinPolicy = "auto",
    pages: str | None = None,
    wants: Wants | None = None,
    keep_going: bool = False,
    keep: Keep = _NO_KEEP,
    sources: Sequence[Source] = (),
) -> list[Document]:
    """Read every input, in the order given.

    All names are looked up before the first file is read, so that a mistyped one fails at once.

    Args:
        files: paths, directories, globs, ``-``, with ranges; empty for stdin by the contract's rule.
        on_event: gets `Progress` of stage ``ingest`` and a `Warning` for everything that was left out or
            guessed, also for what the documents' own `warnings` hold.
        stdin: whether standard input may be read.
        pages: pages to read of every PDF, such as ``3-9,12``; a range behind a name is stronger.
        wants: how to read; None for the defaults.
        keep_going: an input that cannot be read becomes a warning.
        keep: where documents that take long to read are kept for the next time.
        sources: inputs that are located already, such as the bytes of an upload; they come first.

    Returns:
        Documents; none when no file is given and stdin holds nothing.

    Raises:
        InputError: an input cannot be read, or with `keep_going` none could.
        UsageError: a range or a name is malformed or out of bounds.
    """
    selection = None if pages is None else parse(pages, "page", exact=False)
    wants = wants or Wants()
    check_clip(wants.start, wants.end)
    run = _Run(on_event, keep_going, keep)
    named = bool(files or sources)
    found = [*sources, *run.located(files, stdin if files or not sources else "never")]
    found = [replace(each, selection=each.selection or selection, wants=wants) for each in found]
    documents = run.read(found)
    if named and not documents:
        many = len(files) + len(sources) > 1
        raise InputError(f"none of {len(files) + len(sources)} inputs could be read" if many else _NOTHING)
    _unused(documents, pages, wants, on_event)
    return documents


def gather(
    files: Sequence[str],
    *,
    on_event: Callable[[Event], None],
    stdin: StdinPolicy = "auto",
    keep_going: bool = False,
    offline: bool = False,
) -> list[Source]:
    """The inputs that the words mean, by the rules of `collect`, to be read elsewhere.

    What is no file on disk (stdin, a pipe, a URL) is taken into memory.

    Raises:
        InputError: an input is not there or cannot be taken.
        UsageError: a name is malformed.
    """
    run = _Run(on_event, keep_going, _NO_KEEP)
    wants = Wants(offline=offline)
    return list(run.taken(replace(each, wants=wants) for each in run.located(files, stdin)))


def _unused(
    documents: Sequence[Document], pages: str | None, wants: Wants, on_event: Callable[[Event], None]
) -> None:
    """Say which of the person's choices touched no document."""
    if not documents:
        return
    kinds = {each.media_type.partition("/")[0] for each in documents}
    paged = any("page" in part.anchor.to_json() for each in documents for part in each.parts)
    if pages is not None and not paged:
        on_event(Warning(f"--pages {pages} has no effect: no document has pages"))
    if (wants.start, wants.end) != (None, None) and not kinds & {"audio", "video"}:
        on_event(Warning("--start and --end have no effect: no document is a recording or a video"))
    if wants.pdf != "auto" and all(each.media_type != PDF for each in documents):
        on_event(Warning(f"--pdf {wants.pdf} has no effect: no document is a PDF"))
    moving = any(
        isinstance(part, Image) and part.anchor.seconds is not None
        for each in documents
        for part in each.parts
    )
    if wants.max_frames is not None and "video" not in kinds and not moving:
        on_event(Warning("--max-frames has no effect: no document is a video"))
    if (wants.fps is not None or not wants.sound) and "video" not in kinds:
        on_event(Warning("--fps and --no-audio have no effect: no document is a video"))


@dataclass(slots=True)
class _Directory:
    """How it went with the files of one directory."""

    read: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


class _Run:
    """One collection on its way."""

    def __init__(self, on_event: Callable[[Event], None], keep_going: bool, keep: Keep) -> None:
        self._emit = on_event
        self._keep_going = keep_going
        self._keep = keep
        self._directories: dict[str, _Directory] = {}

    def located(self, files: Sequence[str], stdin: StdinPolicy) -> list[Source]:
        """The inputs that the words mean; without any, what is piped in, if it may be read."""
        if files:
            return self.locate(files, stdin)
        data = standard_input.read_implied(self._emit) if stdin == "auto" else None
        return [] if data is None or not data.strip() else [Source(STDIN, None, data=data)]

    def taken(self, sources: Iterable[Source]) -> Iterator[Source]:
        """The sources that could be taken, those of streams with their bytes."""
        for source in sources:
            try:
                yield self._taken(source)
            except InputError as error:
                self._failed(error)

    def locate(self, files: Sequence[str], stdin: StdinPolicy) -> list[Source]:
        """The inputs that the words mean, each once."""
        sources: dict[tuple[object, ...], Source] = {}
        for argument in files:
            try:
                located = locate(argument)
            except InputError as error:
                self._failed(error)
                continue
            for note in located.notes:
                self._emit(Warning(note))
            for error in located.failed:
                self._failed(error)
            for source in located.sources:
                if source.path is None and source.url is None and stdin == "never":
                    raise UsageError("- cannot be read here: stdin serves something else")
                key = identity(source)
                directory = self._directories.setdefault(source.root or "", _Directory())
                if key in sources:
                    directory.read += 1
                    if source.root is None:
                        self._emit(Warning(f"{source.name} is given twice; it is read once"))
                    continue
                sources[key] = source
        return list(sources.values())

    def read(self, sources: Sequence[Source]) -> list[Document]:
        """Read what was located."""
        documents: list[Document] = []
        for source in sources:
            self._directories.setdefault(source.root or "", _Directory())
        last: dict[str, int] = {
            each.root: place for place, each in enumerate(sources) if each.root is not None
        }
        for place, source in enumerate(sources):
            self._emit(Progress("ingest", place, len(sources), "files", source.name))
            for document in self._one(source, place, len(sources)):
                documents.append(document)
                for warning in document.warnings:
                    self._emit(Warning(f"{document.source}: {warning}"))
            if source.root is not None and last[source.root] == place:
                self._close_directory(source.root)
        if sources:
            self._emit(Progress("ingest", len(sources), len(sources), "files"))
        return documents

    def _one(self, source: Source, place: int, total: int) -> Iterator[Document]:
        """The documents of one input: one, none where it cannot be read, an archive's many."""
        try:
            source = self._taken(source)
            source = replace(source, media_type=_kind(source))
            if is_archive(source.media_type):
                yield from self._archive(source, place, total)
                return
            before = source.stamp()
            document = _read(source, self._report(source, place, total), self._keep)
            _check_times(source, document)
            if source.stamp() != before:
                document = replace(document, warnings=(*document.warnings, _CHANGED))
        except InputError as error:
            self._refused(source, error, total)
            return
        if source.root is not None:
            self._directories[source.root].read += 1
        yield document

    def _archive(self, source: Source, place: int, total: int) -> Iterator[Document]:
        """What a zip or tar file holds, as if it were a directory."""
        from gemcli.ingest.archive import expand, refuse

        if not source.wants.archive:
            refuse(source)
        if source.root is not None:
            self._directories[source.root].read += 1
        self._directories[source.name] = _Directory()
        try:
            for member in expand(source, self._warn):
                inner = replace(member, wants=source.wants, clip=source.clip, root=source.name)
                yield from self._one(inner, place, total)
        except InputError:
            if self._directories[source.name].read:
                self._close_directory(source.name)
            raise
        self._close_directory(source.name)

    def _warn(self, message: str) -> None:
        self._emit(Warning(message))

    def _refused(self, source: Source, error: InputError, total: int) -> None:
        if source.root is not None and isinstance(error, (KindError, EmptyError)):
            if isinstance(error, KindError):
                self._directories[source.root].kinds[error.kind] += 1
        elif isinstance(error, EmptyError) and total > 1:
            # One of many, as from a shell's pattern: nothing is lost without it.
            self._emit(Warning(f"{error.message}; left out"))
        else:
            if total > 1:
                error.hint = "; ".join(filter(None, (error.hint, _KEEP_GOING)))
            self._failed(error)

    def _taken(self, source: Source) -> Source:
        """The source with a stream's bytes in it."""
        if source.data is not None:
            return source
        if source.url is not None:
            from gemcli.ingest.url import fetch

            self._emit(Progress("ingest", 0, None, "bytes", source.name))
            fetched = fetch(source.url, offline=source.wants.offline, trusted=source.trusted)
            return replace(source, data=fetched.data, media_type=fetched.media_type)
        if source.path is None:
            return replace(source, data=standard_input.read_named(self._emit))
        if not is_stream(source.path):
            return source
        try:
            with source.path.open("rb", buffering=0) as stream:
                return replace(source, data=read_bounded(stream.read, source.name))
        except OSError as error:
            raise unreadable(source.name, error) from error

    def _report(self, source: Source, place: int, total: int) -> Callable[[int, int], None]:
        """Progress in pages for a single document, in files with a note for many; not too often."""
        next_time = time.monotonic() + _REPORT_EVERY
        unit = "second" if source.media_type.startswith(("audio/", "video/")) else "page"

        def report(done: int, of: int) -> None:
            nonlocal next_time
            if time.monotonic() < next_time:
                return
            next_time = time.monotonic() + _REPORT_EVERY
            if total == 1:
                self._emit(Progress("ingest", done, of, unit + "s", source.name))
            else:
                self._emit(Progress("ingest", place, total, "files", f"{source.name}, {unit} {done} of {of}"))

        return report

    def _close_directory(self, root: str) -> None:
        state = self._directories[root]
        skipped = _skipped(state.kinds)
        if state.read == 0:
            self._failed(
                InputError(
                    f"{root} holds no file that this version reads (it reads {READABLE})"
                    + (f": {skipped}" if skipped else "")
                )
            )
        elif skipped:
            self._emit(Warning(f"{root}: {skipped} not read"))

    def _failed(self, error: InputError) -> None:
        if not self._keep_going:
            raise error
        self._emit(Warning(f"{error.message}; left out"))


def _kind(source: Source) -> str:
    """What a source is, by its content; of a text from the web the server may know better."""
    found = PLAIN if source.is_plain else sniff(source)
    told = source.media_type
    return told if found == PLAIN and told.startswith(("text/", "application/json")) else found


def _read(source: Source, report: Callable[[int, int], None], keep: Keep) -> Document:
    read = handler(source.media_type)
    if read is None:
        kind = kind_name(source.media_type)
        what = "binary, of no known kind" if source.media_type == BINARY else kind
        raise KindError(f"{source.name} is {what}; this version reads {READABLE}", kind)
    return read_or_recall(read, source, report, keep)


def _check_times(source: Source, document: Document) -> None:
    """Refuse a stretch of time that was asked of this very document, which knows no time.

    Raises:
        UsageError: it does not.
    """
    if source.clip != (None, None) and not any(part.anchor.seconds is not None for part in document.parts):
        kind = kind_name(source.media_type)
        raise UsageError(f"{source.name} is {kind}: there are no times in it", "leave #t= out")


def _skipped(kinds: Counter[str]) -> str:
    """``5 files (3 × PNG image, 2 × ZIP archive)``."""
    if not kinds:
        return ""
    names = ", ".join(f"{count:,} × {kind.split(' ', 1)[1]}" for kind, count in kinds.most_common())
    return f"{counted(kinds.total(), 'file')} ({names})"
