"""The content of a gzip, bzip2 or xz file as a stream that is read once, within bounds."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Any, Protocol

from gemcli.errors import InputError
from gemcli.ingest.source import Source, unreadable

#: How many times larger than its packed form a file may be, once it is larger than `_RATIO_FROM`.
MAX_RATIO = 250

_RATIO_FROM = 64 << 20
_BLOCK = 1 << 18
_DICTIONARY = 256 << 20  # bytes that xz may keep; its strongest preset takes a quarter


class _Decoder(Protocol):
    """What the decompressors of bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's decompressor in the manner of the other two."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


_DECODERS: dict[str, Any] = {
    "application/gzip": _Gzip,
    "application/x-bzip2": bz2.BZ2Decompressor,
    "application/x-xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_DICTIONARY),
}


def packing(source: Source) -> Any:
    """What makes a decoder for the source, or None where it is not packed."""
    return _DECODERS.get(source.media_type)


class Unpacked:
    """A readable stream; a source that is not packed is handed on as it is.

    Args:
        source: with its media type.
        limit: bytes that may come out in all.
    """

    def __init__(self, source: Source, limit: int) -> None:
        self._source = source
        self._make = packing(source)
        self._decoder: _Decoder | None = self._make() if self._make else None
        self._stream = source.open()
        self._limit = limit
        self._allowed = limit
        self._ready = bytearray()
        self._taken = self._made = self._given = 0

    def close(self) -> None:
        self._stream.close()

    def allow(self, size: int) -> None:
        """Set how many more bytes may be read, below the limit for all."""
        self._allowed = min(self._limit, self._given + size)

    def peek(self, size: int) -> bytes:
        """The next bytes without taking them; fewer at the end."""
        while len(self._ready) < size and (block := self._more()):
            self._ready += block
        return bytes(self._ready[:size])

    def read(self, size: int) -> bytes:
        """Bytes, fewer only at the end.

        Raises:
            InputError: it is damaged, or more than may be read is asked for and there.
        """
        while len(self._ready) < size and (block := self._more()):
            self._ready += block
            if self._given + len(self._ready) > self._allowed + _BLOCK:
                raise self._too_much()
        data = bytes(self._ready[:size])
        del self._ready[:size]
        self._given += len(data)
        return data

    def _more(self) -> bytes:
        try:
            return self._plain() if self._decoder is None else self._decoded()
        except OSError as error:
            if error.errno is None:  # bz2's way to say that the data are damaged
                raise self._damaged() from error
            raise unreadable(self._source.name, error) from error
        except (zlib.error, lzma.LZMAError, EOFError, ValueError, MemoryError) as error:
            raise self._damaged() from error

    def _plain(self) -> bytes:
        block = self._stream.read(_BLOCK)
        self._count(len(block), len(block))
        return block

    def _decoded(self) -> bytes:
        """The next block; several packed streams behind one another are one."""
        assert self._decoder is not None
        while True:
            data = b""
            if self._decoder.eof:
                data = self._decoder.unused_data.lstrip(b"\0") or self._stream.read(_BLOCK).lstrip(b"\0")
                if not data:
                    return b""
                self._decoder = self._make()
                assert self._decoder is not None
            elif self._decoder.needs_input:
                data = self._stream.read(_BLOCK)
                self._taken += len(data)
                if not data:
                    raise EOFError
            block = self._decoder.decompress(data, _BLOCK)
            if block:
                self._count(0, len(block))
                return block

    def _count(self, taken: int, made: int) -> None:
        self._taken += taken
        self._made += made
        if self._made > self._limit + (1 << 20) or (
            self._made > _RATIO_FROM and self._made > MAX_RATIO * max(1, self._taken)
        ):
            raise self._too_much()

    def _too_much(self) -> InputError:
        return InputError(
            f"{self._source.name} unpacks to too much: over {self._limit >> 20:,} MiB or {MAX_RATIO} times "
            "its size is taken for an attack and not read",
            "unpack it, and give the files that matter",
        )

    def _damaged(self) -> InputError:
        return InputError(
            f"{self._source.name} is damaged or cut short: it cannot be unpacked to its end", "fetch it again"
        )
