import hashlib
import os

import pytest

from gemcli.errors import InputError
from gemcli.ingest.source import Source
from gemcli.ingest.wants import Wants


@pytest.mark.parametrize(
    ("clip", "wants", "expected"),
    [
        ((None, None), Wants(), (None, None)),
        ((None, None), Wants(start=1.0), (1.0, None)),
        ((None, None), Wants(start=1.0, end=2.0), (1.0, 2.0)),
        ((5.0, 9.0), Wants(start=1.0, end=2.0), (5.0, 9.0)),
        ((5.0, None), Wants(start=1.0, end=9.0), (5.0, None)),
        ((0.0, None), Wants(start=1.0), (0.0, None)),
    ],
)
def test_times_of_a_source_itself_are_stronger_than_those_of_all(clip, wants, expected):
    assert Source("a.mp4", None, clip=clip, wants=wants).stretch == expected


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("media_type", ["text/plain", "video/mp4"])
def test_a_known_hash_is_that_of_the_file_as_it_is(tmp_path, monkeypatch, media_type):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    source = Source("a", path, media_type).hashed()
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("it is read again"))
        assert source.sha256() == digest(b"one")
    path.write_bytes(b"one and more")
    assert source.sha256() == digest(b"one and more")
    path.write_bytes(b"two")
    os.utime(path, ns=(0, 0))
    assert source.sha256() == digest(b"two")
    path.unlink()
    with pytest.raises(InputError, match="a: no such file"):
        source.sha256()


def test_a_file_that_changes_while_it_is_hashed_is_hashed_again(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    file_digest = hashlib.file_digest

    def changing(stream, name):
        found = file_digest(stream, name)
        path.write_bytes(b"and after")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", changing)
        source = Source("a", path).hashed()
    assert source.sha256() == digest(b"and after")


def test_bytes_in_memory_are_hashed_too():
    assert Source("stdin", None, data=b"x").hashed().sha256() == digest(b"x")
