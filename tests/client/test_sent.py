"""A file that is written while it is sent arrives as what it was at first."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gemcli.client import remote
from gemcli.errors import InputError
from gemcli.ingest.source import Source


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"one more line\n")


def sent(file: remote._File) -> bytes:
    with file.source.open() as stream:
        body, data = remote._Told(stream, file, lambda done: None), b""
        while block := body.read(1 << 16):
            data += block
    return data


@pytest.mark.parametrize("when", ["while it is hashed", "before it is sent"])
def test_a_log_that_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"a line\n" * 100)
    before, hashed = path.read_bytes(), Source.sha256

    def growing(source: Source) -> str:
        append(path)
        return hashed(source)

    if when == "while it is hashed":
        monkeypatch.setattr(Source, "sha256", growing)
    file = remote._hashed(Source("a.log", path))
    if when == "before it is sent":
        append(path)
    assert len(path.read_bytes()) > len(before)
    assert sent(file) == before
    assert (file.sha256, file.size) == (hashlib.sha256(before).hexdigest(), len(before))


def test_a_file_that_shrinks_is_named(tmp_path: Path) -> None:
    """Its server would wait for the rest."""
    path = tmp_path / "a.log"
    path.write_bytes(b"a line\n" * 100)
    file = remote._hashed(Source("a.log", path))
    path.write_bytes(b"a line\n")
    with pytest.raises(InputError, match=r"a\.log became shorter"):
        sent(file)
