import io
import random
import struct
import zipfile

import pytest

from gemcli.errors import InputError
from gemcli.ingest import zipped
from gemcli.ingest.zipped import is_inside, open_zip


def packed(members, method=zipfile.ZIP_DEFLATED):
    """A zip of (name, bytes) pairs."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def test_members_are_read_by_name(source):
    with open_zip(source(packed([("a/b.xml", b"<a/>"), ("c/", b""), ("d.txt", b"d" * 10)]))) as archive:
        assert archive.names == ("a/b.xml", "d.txt")
        assert archive.read("a/b.xml") == b"<a/>"
        assert archive.size("d.txt") == 10
        assert archive.read("A/B.xml") == b"<a/>"
        assert "a/B.XML" in archive
        assert "e" not in archive
        assert archive.warnings == []
        with pytest.raises(InputError, match="holds no e"):
            archive.read("e")


def test_a_member_can_be_read_again_when_the_file_is_closed(tmp_path, source):
    path = tmp_path / "a.zip"
    path.write_bytes(packed([("a", b"one")]))
    with open_zip(source(path)) as archive:
        again = archive.again("a")
    assert again() == again() == b"one"
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        again()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicates_and_names_that_point_outside_are_told(source):
    data = packed([("a", b"1"), ("a", b"2"), ("../../etc/passwd", b"x"), ("/b", b"x"), ("c:/d", b"x")])
    with open_zip(source(data)) as archive:
        assert archive.names == ("a",)
        assert archive.read("a") == b"2"
        assert archive.warnings == [
            "holds a more than once: the last of them is read",
            "holds 3 names that point outside of it, not read",
        ]


@pytest.mark.parametrize(
    ("name", "inside"),
    [("a/b", True), ("a..b/c", True), ("", False), ("../a", False), ("a/../b", False), ("a\n", False)],
)
def test_is_inside(name, inside):
    assert is_inside(name) is inside


def test_windows_separators(source):
    data = packed([("word/document.xml", b"x")]).replace(b"word/document", b"word\\document")
    with open_zip(source(data)) as archive:
        assert archive.read("word/document.xml") == b"x"


def test_bombs_are_not_unpacked(source):
    data = packed([("zeros", bytes(50 << 20)), ("some", bytes(1 << 20))])
    with open_zip(source(data)) as archive:
        with pytest.raises(InputError, match="taken for an attack"):
            archive.read("zeros")
        with pytest.raises(InputError, match="unpacks to 1,048,576 bytes"):
            archive.read("some", 1000)
        assert len(archive.read("some")) == 1 << 20


def test_what_is_unpacked_in_all_is_bounded(source, monkeypatch):
    monkeypatch.setattr(zipped, "MAX_TOTAL", 2_500_000)
    with open_zip(source(packed([("some", bytes(1 << 20))]))) as archive:
        archive.read("some")
        archive.read("some")
        with pytest.raises(InputError, match="too much"):
            archive.read("some")


def test_a_member_that_lies_about_its_size_is_damaged(source):
    data = bytearray(packed([("a", bytes(100_000))]))
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)
    with open_zip(source(bytes(data))) as archive, pytest.raises(InputError, match="cannot be unpacked"):
        archive.read("a")


def test_other_methods_are_refused(source):
    data = packed([("a", bytes(100_000))], zipfile.ZIP_BZIP2)
    with open_zip(source(data)) as archive, pytest.raises(InputError, match="method that is not read"):
        archive.read("a")


def test_encrypted_members_are_told(source):
    data = bytearray(packed([("a", b"secret")]))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with open_zip(source(bytes(data))) as archive, pytest.raises(InputError, match="password"):
        archive.read("a")


def test_too_many_members(source, monkeypatch):
    monkeypatch.setattr(zipped, "MAX_MEMBERS", 3)
    with (
        pytest.raises(InputError, match="holds 4 files"),
        open_zip(source(packed([(n, b"") for n in "abcd"]))),
    ):
        pass


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04", b"no zip at all", packed([("a", b"b" * 99)])[:-30]],
    ids=["empty", "begun", "text", "cut"],
)
def test_what_is_no_zip(source, data):
    with pytest.raises(InputError, match=r"cut short|damaged"), open_zip(source(data)):
        pass


def test_damage_never_gets_through(source):
    whole = packed([("a.xml", random.Random(1).randbytes(300)), ("b.xml", b"text " * 200)])
    outcomes = {"read": 0, "refused": 0}
    for seed in range(400):
        generator = random.Random(seed)
        data = bytearray(whole)
        for _ in range(generator.choice([1, 2, 8])):
            data[generator.randrange(len(data))] = generator.randrange(256)
        if seed % 10 == 0:
            del data[generator.randrange(len(data)) :]
        try:
            with open_zip(source(bytes(data))) as archive:
                for name in archive.names:
                    archive.read(name)
            outcomes["read"] += 1
        except InputError:
            outcomes["refused"] += 1
    assert outcomes["read"] > 20
    assert outcomes["refused"] > 100
