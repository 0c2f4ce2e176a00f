import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from dataclasses import replace

import pytest
from damaged import variants

from gemcli.errors import InputError
from gemcli.ingest import archive
from gemcli.ingest.archive import expand, refuse
from gemcli.ingest.sniff import sniff
from gemcli.ingest.source import EmptyError, Source

FILES = {"docs/a.txt": b"alpha\n", "docs/deep/b.md": b"# beta\n", "c.csv": b"x,y\n"}


def zipped(files, **options):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data, **options)
    return stream.getvalue()


def tarred(files, mode="w", form=tarfile.PAX_FORMAT):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=form) as made:
        for name, data in files.items():
            if isinstance(data, tarfile.TarInfo):
                made.addfile(data)
            else:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                made.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def source(data, name="pack"):
    made = Source(name, None, "", data)
    return replace(made, media_type=sniff(made))


def opened(data, name="pack"):
    said = []
    return {each.name: each.data for each in expand(source(data, name), said.append)}, said


@pytest.mark.parametrize(
    "data",
    [
        zipped(FILES),
        tarred(FILES),
        tarred(FILES, form=tarfile.GNU_FORMAT),
        tarred(FILES, "w:gz"),
        tarred(FILES, "w:bz2"),
        tarred(FILES, "w:xz"),
    ],
    ids=["zip", "tar", "gnu tar", "tar.gz", "tar.bz2", "tar.xz"],
)
def test_every_kind(data):
    assert opened(data) == ({f"pack/{name}": content for name, content in FILES.items()}, [])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_single_packed_file(pack):
    suffix = {gzip.compress: "gz", bz2.compress: "bz2", lzma.compress: "xz"}[pack]
    name = f"notes.txt.{suffix}"
    assert opened(pack(b"text\n"), name) == ({f"{name}/notes.txt": b"text\n"}, [])
    assert opened(pack(b"one\n") + pack(b"two\n"), name)[0] == {f"{name}/notes.txt": b"one\ntwo\n"}


def test_it_is_asked_for():
    with pytest.raises(InputError, match="only with --archive") as caught:
        refuse(source(zipped(FILES), "docs.zip"))
    assert caught.value.message.startswith("docs.zip is a ZIP archive")
    assert caught.value.exit_code == 3


def member(kind, name, target=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def test_what_points_outside_is_not_read():
    bad = {"../up": b"x", "/etc/passwd": b"x", "a/../../b": b"x", "ok/../fine": b"x", "./good": b"y"}
    files, said = opened(tarred(bad))
    assert files == {"pack/good": b"y"}
    assert said == [
        "pack: names that point outside of it, not read: ../up, /etc/passwd, a/../../b and 1 more"
    ]
    files, said = opened(zipped({"../up": b"x", "good": b"y"}))
    assert files == {"pack/good": b"y"}
    assert said == ["pack: names that point outside of it, not read: ../up"]


def test_links_and_devices_are_not_read():
    special = {
        "1": member(tarfile.SYMTYPE, "link", "/etc/passwd"),
        "2": member(tarfile.LNKTYPE, "hard", "good"),
        "3": member(tarfile.CHRTYPE, "dev"),
        "4": member(tarfile.FIFOTYPE, "pipe"),
        "good": b"y",
    }
    files, said = opened(tarred(special))
    assert files == {"pack/good": b"y"}
    assert said == ["pack: links and devices, not read: link, hard, dev and 1 more"]


def test_hidden_files_and_archives_inside():
    inner = zipped({"x": b"y"})
    files = {
        "a.txt": b"a",
        ".git/config": b"x",
        "__MACOSX/._a": b"x",
        "in.zip": inner,
        "in.gz": gzip.compress(b"z"),
    }
    for data in (zipped(files), tarred(files, "w:gz")):
        found, said = opened(data)
        assert found == {"pack/a.txt": b"a"}
        assert said == [
            "pack: archives in it, not read: pack/in.zip, pack/in.gz",
            "pack: 2 hidden files not read",
        ]


def test_documents_that_are_zips_are_read():
    office = zipped({"word/document.xml": b"<x/>"})
    assert list(opened(zipped({"a.docx": office}))[0]) == ["pack/a.docx"]


def test_empty_archives():
    for data in (zipped({}), tarred({"a": b""})):
        with pytest.raises(EmptyError, match="no file to read"):
            opened(data)


def test_an_encrypted_zip_is_said():
    data = bytearray(zipped({"a.txt": b"secret"}))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    data[6] |= 1
    with pytest.raises(InputError, match="encrypted"):
        opened(bytes(data))


def test_too_many_and_too_much(monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 5)
    many = {f"f{n}": b"x" for n in range(6)}
    for data in (zipped(many), tarred(many)):
        with pytest.raises(InputError, match="more than 5 files"):
            opened(data)
    monkeypatch.setattr(archive, "MAX_TOTAL", 3 << 20)
    monkeypatch.setattr(archive, "MAX_MEMBER", 2 << 20)
    large = os.urandom(1 << 20) * 3
    for data in (zipped({"a": large}), tarred({"a": large}), gzip.compress(large)):
        with pytest.raises(InputError, match=r"too much|more than"):
            opened(data)
    several = {f"f{n}": os.urandom(1 << 20) for n in range(5)}
    for data in (zipped(several), tarred(several, "w:gz")):
        with pytest.raises(InputError, match=r"too much|more than"):
            opened(data)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_bombs(pack):
    zeros = bytes(100 << 20)
    with pytest.raises(InputError, match="taken for an attack"):
        opened(pack(zeros))


def test_a_large_header_in_a_tar_is_not_read():
    header = member(tarfile.XHDTYPE, "x")
    header.size = 200 << 20
    data = gzip.compress(header.tobuf(tarfile.USTAR_FORMAT) + bytes(40 << 20), 1)
    with pytest.raises(InputError):
        opened(data)


def test_cut_short():
    for data in (zipped(FILES), tarred(FILES, "w:gz"), tarred(FILES, "w:xz"), gzip.compress(b"x" * 1000)):
        with pytest.raises(InputError, match=r"cut short|damaged"):
            opened(data[: len(data) // 2])


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_damage(mode):
    whole = zipped(FILES) if mode == "zip" else tarred(FILES, mode)
    kind = source(whole).media_type
    counts = {"read": 0, "refused": 0}
    for data in variants(whole, 200):
        try:
            for each in expand(Source("damaged", None, kind, data)):
                assert each.name.startswith("damaged/")
            counts["read"] += 1
        except InputError:
            counts["refused"] += 1
    assert counts["refused"] > 20
