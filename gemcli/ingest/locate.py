"""From a word on the command line to the inputs it means: a file, a directory's files, a glob's, stdin."""

from __future__ import annotations

import difflib
import glob
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from gemcli.errors import InputError, UsageError
from gemcli.ingest.arguments import is_url
from gemcli.ingest.ranges import Clip, Range, split_fragment
from gemcli.ingest.source import Source, shown, shown_url, unreadable
from gemcli.plural import counted

STDIN = "stdin"

_STDIN_NAMES = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})


@dataclass(frozen=True, slots=True)
class Located:
    """What one argument means.

    Attributes:
        sources: inputs in the order in which they are read.
        notes: what was left out of a directory, as sentences.
        failed: what of a pattern's files cannot be read, such as links to nothing.
    """

    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()
    failed: tuple[InputError, ...] = ()


def locate(argument: str) -> Located:
    """Find what `argument` names.  Nothing is opened but directories.

    A name that is there wins over every other reading of it, so that ``a#page=1.txt`` and ``[x].md`` can
    be named.

    Raises:
        InputError: there is no such file, or it is of a kind that is not read.
        UsageError: it is malformed.
    """
    if argument in _STDIN_NAMES:
        return Located((Source(STDIN, None),))
    if not argument:
        raise UsageError("a file name is empty")
    if "\0" in argument:
        raise UsageError("a file name holds a zero byte", "read a list separated by zero bytes with -0")
    if os.path.lexists(argument):
        return _at(argument, None)
    base, wanted = split_fragment(argument)
    if is_url(base):
        return Located((_ranged(Source(shown_url(base), None, url=base), wanted),))
    if base in _STDIN_NAMES:
        return Located((_ranged(Source(STDIN, None), wanted),))
    if wanted is not None and os.path.lexists(base):
        return _at(base, wanted)
    if glob.has_magic(base):
        return _matching(base, wanted)
    raise _missing(base)


def identity(source: Source) -> tuple[object, ...]:
    """What makes two sources the same: one file, one range."""
    spans = source.selection.spans if source.selection and source.selection.exact else None
    spans = (spans, source.clip)
    if source.path is None:
        return (source.url or STDIN, spans)
    try:
        status = source.path.stat()
    except OSError:
        return (os.path.realpath(source.path), spans)
    if status.st_ino:
        return (status.st_dev, status.st_ino, spans)
    return (os.path.normcase(os.path.realpath(source.path)), spans)


def _ranged(source: Source, wanted: Range | None) -> Source:
    if isinstance(wanted, Clip):
        return replace(source, clip=(wanted.start, wanted.end))
    return source if wanted is None else replace(source, selection=wanted)


def is_stream(path: Path) -> bool:
    """Whether `path` is a pipe, such as the shell's ``<(command)``."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def _at(name: str, wanted: Range | None) -> Located:
    path = Path(name)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise InputError(
            f"{shown(name)} is a link to {shown(str(path.readlink()))}, which is not there"
        ) from None
    except OSError as error:
        raise unreadable(shown(name), error) from error
    if stat.S_ISDIR(mode):
        return _below(name, wanted)
    if stat.S_ISREG(mode) or stat.S_ISFIFO(mode):
        return Located((_ranged(Source(shown(name), path), wanted),))
    what = "a socket" if stat.S_ISSOCK(mode) else "a device"
    raise InputError(f"{shown(name)} is {what}, not a file", "name a file, or pipe in what is to be read")


def _below(name: str, wanted: Range | None) -> Located:
    from gemcli.ingest.walk import walk

    directory = Path(name)
    found = walk(directory)
    root = shown(name)
    notes: list[str] = []
    if found.outside:
        notes.append(f"{root}: {counted(found.outside, 'link')} out of the directory not followed")
    for folder in found.closed:
        notes.append(f"{shown(str(folder))}: permission denied; what is below it was not read")
    if not found.files:
        raise InputError(
            f"{root} holds no file to read" + ("; " + "; ".join(notes) if notes else ""),
            "hidden files and those that .gitignore names are left out; name them to read them",
        )
    sources = (_ranged(Source(shown(str(path)), path, root=root), wanted) for path in found.files)
    return Located(tuple(sources), tuple(notes))


def _matching(pattern: str, wanted: Range | None) -> Located:
    """The files of a glob that the shell left alone; ``**`` means the files only, not their folders too."""
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - pathlib takes no absolute pattern
    if "**" in pattern:
        names = [name for name in names if not Path(name).is_dir()]
    if not names:
        raise InputError(f"{shown(pattern)} matches no file", "check the pattern, or quote it less")
    sources: list[Source] = []
    notes: list[str] = []
    failed: list[InputError] = []
    for name in names:
        try:
            located = _at(name, wanted)
        except InputError as error:
            failed.append(error)
            continue
        sources += located.sources
        notes += located.notes
    return Located(tuple(sources), tuple(notes), tuple(failed))


def _missing(name: str) -> InputError:
    path = Path(name)
    if os.access(path.parent, os.F_OK):
        return InputError(f"{shown(name)}: no such file", _near(path))
    folder = shown(str(path.parent))
    return InputError(f"{shown(name)}: no such file; there is no directory {folder}", _near(path.parent))


def _near(path: Path) -> str | None:
    """Names in the same directory that are close to the one that is not there."""
    try:
        names = sorted(each.name for each in path.parent.iterdir())
    except OSError:
        return None
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    near = difflib.get_close_matches(path.name.casefold(), folded, n=3, cutoff=0.6)
    if not near:
        return None
    return "did you mean " + " or ".join(shown(str(path.with_name(folded[name]))) for name in near) + "?"
