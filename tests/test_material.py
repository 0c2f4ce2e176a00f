"""The real files of the tests: taken from archives by their path, trusted by their hash."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import material as shelf
import pytest

SPEECH = b"speech" * 100


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package index on disk, and an empty shelf."""
    monkeypatch.setattr(shelf, "FOLDER", tmp_path / "shelf")
    monkeypatch.setattr(shelf, "_indexes", lambda: [(tmp_path / "simple").as_uri()])
    return tmp_path / "simple"


def publish(index: Path, package: str, name: str, data: bytes) -> None:
    folder = index / package
    folder.mkdir(parents=True)
    (folder / name).write_bytes(data)
    (folder / "index.html").write_text(f'<a href="{(folder / name).as_uri()}">{name}</a>')


def sdist(path: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        entry = tarfile.TarInfo(path)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def wheel(path: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(path, data)
    return stream.getvalue()


def deb(path: str, data: bytes) -> bytes:
    def entry(name: bytes, content: bytes) -> bytes:
        head = name.ljust(16) + b"0".ljust(12) + b"0".ljust(6) + b"0".ljust(6) + b"100644".ljust(8)
        return head + str(len(content)).encode().ljust(10) + b"`\n" + content + b"\n" * (len(content) % 2)

    return b"!<arch>\n" + entry(b"debian-binary", b"2.0") + entry(b"data.tar.gz", sdist(path, data))


def listed(monkeypatch: pytest.MonkeyPatch, file: str, archive_sha256: str = "") -> None:
    archive = shelf.Archive("talks", file, archive_sha256)
    member = shelf.Member(archive, "samples/a.wav", hashlib.sha256(SPEECH).hexdigest())
    monkeypatch.setattr(shelf, "MATERIAL", {"a.wav": member})


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("talks-1.0.tar.gz", sdist("talks-1.0/samples/a.wav", SPEECH)),
        ("talks-1.0-py3-none-any.whl", wheel("samples/a.wav", SPEECH)),
    ],
    ids=["sdist", "wheel"],
)
def test_a_member_is_taken_out_and_kept(
    name: str, data: bytes, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(monkeypatch, name)
    publish(index, "talks", name, data)
    path = shelf.material("a.wav")
    assert path.read_bytes() == SPEECH
    (index / "talks" / "index.html").unlink()
    assert shelf.material("a.wav") == path


def test_a_debian_package_is_read(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, "")
    package = tmp_path / "talks_1.0_all.deb"
    package.write_bytes(deb("./samples/a.wav", SPEECH))
    monkeypatch.setattr(shelf, "_from_apt", lambda archive, scratch: package)
    assert shelf.material("a.wav").read_bytes() == SPEECH


def test_a_file_with_another_hash_is_refused(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, "talks-1.0.tar.gz")
    publish(index, "talks", "talks-1.0.tar.gz", sdist("talks-1.0/samples/a.wav", SPEECH[:-1] + b"!"))
    with pytest.raises(shelf.MaterialError, match="does not hold"):
        shelf.material("a.wav")


def test_an_archive_with_another_hash_is_refused(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, "talks-1.0.tar.gz", "0" * 64)
    publish(index, "talks", "talks-1.0.tar.gz", sdist("talks-1.0/samples/a.wav", SPEECH))
    with pytest.raises(shelf.MaterialError, match="is not the file that was published"):
        shelf.material("a.wav")


def test_a_package_that_no_index_lists_is_named(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, "talks-1.0.tar.gz")
    with pytest.raises(shelf.MaterialError, match=r"talks-1\.0\.tar\.gz"):
        shelf.material("a.wav")


def test_a_damaged_copy_is_fetched_again(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, "talks-1.0.tar.gz")
    publish(index, "talks", "talks-1.0.tar.gz", sdist("talks-1.0/samples/a.wav", SPEECH))
    shelf.material("a.wav").write_bytes(b"")
    assert shelf.material("a.wav").read_bytes() == SPEECH


def test_the_real_recording_is_had(material: Callable[[str], Path]) -> None:
    assert material("jfk.wav").read_bytes()[:4] == b"RIFF"
