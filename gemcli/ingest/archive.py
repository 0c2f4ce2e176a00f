"""Archives: what a zip, tar or compressed file holds, as sources of their own, within bounds.

Nothing is written to the disk; one member lies in memory at a time.  Archives in archives stay closed.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import PurePosixPath
from typing import BinaryIO, NoReturn, cast

from gemcli.errors import InputError
from gemcli.ingest.kinds import ZIP, is_archive, kind_name
from gemcli.ingest.sniff import HEAD, sniff_head
from gemcli.ingest.source import EmptyError, KindError, Source, shown
from gemcli.ingest.unpacked import Unpacked, packing
from gemcli.ingest.zipped import is_inside, open_zip

#: Members at most.
MAX_MEMBERS = 10_000

#: Bytes that may be unpacked from one archive.
MAX_TOTAL = 1 << 30

#: Bytes of one member.
MAX_MEMBER = 256 << 20

_HEADERS = 16 << 20  # bytes between two members of a tar: names and attributes
_SINGLE = {".gz": "", ".bz2": "", ".xz": "", ".tgz": ".tar", ".tbz2": ".tar", ".txz": ".tar"}
_SPLIT = "unpack it, and give the files that matter"


def refuse(source: Source) -> NoReturn:
    """Say that an archive is only opened when that is asked for.

    Raises:
        KindError: always.
    """
    kind = kind_name(source.media_type)
    refusal = KindError(f"{source.name} is {kind}: what it holds is read only with --archive", kind)
    refusal.hint = "add --archive to read the files in it, or unpack it and name those that matter"
    raise refusal


def expand(source: Source, warn: Callable[[str], None] = lambda message: None) -> Iterator[Source]:
    """The files in an archive, in its order, named like ``docs.zip/inner/a.txt``.

    Args:
        source: a zip, a tar, packed or not, or a single packed file.
        warn: told what is left out: names that point outside, links, archives, hidden files.

    Raises:
        InputError: it is damaged, encrypted, or passes a bound; also behind the first members.
    """
    left = _Left(source)
    if source.media_type == ZIP:
        members = _zip(source, left)
    elif source.media_type == "application/x-tar" or packing(source) is not None:
        members = _stream(source, left)
    else:
        raise InputError(f"{source.name} is {kind_name(source.media_type)}, which is not opened", _SPLIT)
    count = 0
    for name, data in members:
        if not data:
            left.empty += 1
            continue
        inner = f"{source.name}/{shown(name)}"
        kind = sniff_head(data[:HEAD], name)
        if (is_archive(kind) and kind != ZIP) or (kind == ZIP and _is_plain_zip(inner, data)):
            left.archives.append(inner)
            continue
        count += 1
        yield Source(inner, None, data=data, wants=source.wants)
    left.tell(warn)
    if not count and not left.archives:
        raise EmptyError(f"{source.name} is empty: it holds no file to read")


class _Left:
    """What is left out of an archive."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.outside: list[str] = []
        self.special: list[str] = []
        self.archives: list[str] = []
        self.notes: list[str] = []
        self.hidden = self.empty = 0

    def takes(self, name: str) -> bool:
        """Whether a regular member of that name is read."""
        if not is_inside(name):
            self.outside.append(shown(name))
            return False
        if any(piece.startswith((".", "__MACOSX")) for piece in name.split("/")):
            self.hidden += 1
            return False
        return True

    def tell(self, warn: Callable[[str], None]) -> None:
        """A sentence about each sort."""
        for note in self.notes:
            warn(f"{self.name}: {note}")
        for what, names in (
            ("names that point outside of it", self.outside),
            ("links and devices", self.special),
            ("archives in it", self.archives),
        ):
            if names:
                more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
                warn(f"{self.name}: {what}, not read: {', '.join(names[:3])}{more}")
        if self.hidden:
            warn(f"{self.name}: {self.hidden:,} hidden files not read")


def _zip(source: Source, left: _Left) -> Iterator[tuple[str, bytes]]:
    with open_zip(source) as archive:
        left.outside += map(shown, archive.outside)
        left.notes += [each for each in archive.warnings if "point outside" not in each]
        _check_count(source, len(archive.names))
        total = 0
        for name in archive.names:
            if not left.takes(name):
                continue
            total += archive.size(name)
            if total > MAX_TOTAL:
                raise _too_much(source)
            yield name, archive.read(name, MAX_MEMBER)


def _stream(source: Source, left: _Left) -> Iterator[tuple[str, bytes]]:
    """A tar, or whatever else is in a packed file."""
    with closing(Unpacked(source, MAX_TOTAL)) as stream:
        head = stream.peek(512)
        if head[257:262] == b"ustar" or _is_old_tar(head):
            yield from _tar(source, stream, left)
            return
        if source.media_type == "application/x-tar":
            raise _damaged(source)
        stream.allow(MAX_MEMBER)
        yield _single_name(source), stream.read(MAX_TOTAL)


def _tar(source: Source, stream: Unpacked, left: _Left) -> Iterator[tuple[str, bytes]]:
    try:
        stream.allow(_HEADERS)
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|", errorlevel=1) as archive:
            count = 0
            while (member := _next(source, archive)) is not None:
                count += 1
                _check_count(source, count)
                name = posixpath.normpath(member.name) if not _leaves_root(member.name) else member.name
                data = None
                if member.isdir():
                    pass
                elif not member.isreg() or member.issparse():
                    left.special.append(shown(name))
                elif left.takes(name):
                    if member.size > MAX_MEMBER:
                        raise _too_much(source)
                    stream.allow(member.size + _HEADERS)
                    data = _extracted(source, archive, member)
                stream.allow((0 if data is not None else member.size) + _HEADERS)
                if data is not None:
                    yield name, data
    except (tarfile.TarError, EOFError, ValueError, OverflowError, IndexError) as error:
        raise _damaged(source) from error


def _next(source: Source, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    try:
        return archive.next()
    except (tarfile.TarError, EOFError, ValueError, OverflowError, IndexError) as error:
        raise _damaged(source) from error


def _extracted(source: Source, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    data = b"" if stream is None else stream.read()
    if len(data) != member.size:
        raise _damaged(source)
    return data


def _leaves_root(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/")


def _is_old_tar(head: bytes) -> bool:
    """Whether a block has the checksum of a tar's header, which those before POSIX have as well."""
    if len(head) < 512 or not head[0]:
        return False
    try:
        declared = int(head[148:156].rstrip(b" \0").strip() or b"0", 8)
    except ValueError:
        return False
    return declared > 0 and declared == sum(head) - sum(head[148:156]) + 8 * ord(" ")


def _single_name(source: Source) -> str:
    name = PurePosixPath(source.name.replace("\\", "/")).name
    suffix = PurePosixPath(name).suffix.lower()
    stem = name[: len(name) - len(suffix)] if suffix in _SINGLE else name
    return stem + _SINGLE.get(suffix, "") or name


def _is_plain_zip(name: str, data: bytes) -> bool:
    """Whether a zip is an archive, not an office document or a book."""
    from gemcli.ingest.sniff import sniff

    return is_archive(sniff(Source(name, None, data=data)))


def _check_count(source: Source, count: int) -> None:
    if count > MAX_MEMBERS:
        raise InputError(f"{source.name} holds more than {MAX_MEMBERS:,} files: it is not read", _SPLIT)


def _too_much(source: Source) -> InputError:
    return InputError(
        f"{source.name} holds a file of more than {MAX_MEMBER >> 20} MiB or unpacks to more than "
        f"{MAX_TOTAL >> 30} GiB: it is not read further",
        _SPLIT,
    )


def _damaged(source: Source) -> InputError:
    return InputError(
        f"{source.name} is damaged or cut short: it cannot be unpacked to its end", "fetch it again"
    )
