"""Uploaded files: kept by hash, for a while, within bounds, and nowhere else."""

from __future__ import annotations

import asyncio
import hashlib
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gemcli.server.blobs import Blobs
from gemcli.server.faults import Fault
from gemcli.server.limits import Limits

SMALL, LARGE = b"small", b"large" * 400_000


def name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(blobs: Blobs, data: bytes, under: str | None = None, *, private: bool = False) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 300_000):
            yield data[at : at + 300_000]

    asyncio.run(blobs.put(under or name(data), blocks(), private=private))


def files(blobs: Blobs) -> list[Path]:
    return [] if blobs._folder is None else list(blobs._folder.iterdir())


def test_small_ones_in_memory_large_ones_in_a_private_folder() -> None:
    with Blobs(Limits()) as blobs:
        put(blobs, SMALL)
        assert files(blobs) == []
        put(blobs, LARGE)
        (file,) = files(blobs)
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with blobs.held([name(SMALL), name(LARGE)]) as held:
            assert held[name(SMALL)].data == SMALL
            assert held[name(LARGE)].path == file
            assert file.read_bytes() == LARGE
        put(blobs, LARGE)
        assert files(blobs) == [file], "the same bytes are kept once"
    assert not file.parent.exists()


def test_private_ones_are_never_on_disk() -> None:
    with Blobs(Limits()) as blobs:
        put(blobs, LARGE, private=True)
        assert files(blobs) == []
        with blobs.held([name(LARGE)]) as held:
            assert held[name(LARGE)].data == LARGE


def test_the_hash_must_be_right() -> None:
    with Blobs(Limits()) as blobs:
        for data in (SMALL, LARGE):
            with pytest.raises(Fault, match="another SHA-256"):
                put(blobs, data, name(b"other"))
        assert files(blobs) == []
        for bad in ("", "x" * 64, "A" * 64, "../" + "0" * 61, "0" * 63):
            with pytest.raises(Fault, match="named by its SHA-256"):
                put(blobs, SMALL, bad or "?")
        assert blobs.missing([name(SMALL), name(SMALL)]) == [name(SMALL)]


def test_they_are_forgotten_but_not_while_they_are_used() -> None:
    now = [0.0]
    with Blobs(Limits(keep_s=100), lambda: now[0]) as blobs:
        put(blobs, LARGE)
        put(blobs, SMALL)
        now[0] = 90
        assert blobs.missing([name(SMALL)]) == []
        with blobs.held([name(LARGE)]):
            now[0] = 1000
            assert blobs.missing([name(SMALL)]) == [name(SMALL)]
            assert len(files(blobs)) == 1
        now[0] = 1050
        assert blobs.missing([name(LARGE)]) == []
        now[0] = 2000
        assert blobs.missing([name(LARGE)]) == [name(LARGE)]
        assert files(blobs) == []
        with pytest.raises(Fault) as caught, blobs.held([name(LARGE)]):
            pass
        assert caught.value.body()["missing"] == [name(LARGE)]


def test_there_is_an_end_to_the_room() -> None:
    now = [0.0]
    with Blobs(Limits(store_bytes=len(LARGE) + 100), lambda: now[0]) as blobs:
        put(blobs, SMALL)
        now[0] = 1
        put(blobs, LARGE)
        other = b"other" * 400_000
        with blobs.held([name(LARGE)]):
            with pytest.raises(Fault) as caught:
                put(blobs, other)
            assert caught.value.status == 507
        put(blobs, other)
        assert blobs.missing([name(LARGE)]) == [name(LARGE)], "the oldest makes room"
        assert len(files(blobs)) == 1
