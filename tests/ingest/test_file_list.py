import io
import sys

import pytest

from gemcli.errors import InputError, UsageError
from gemcli.ingest.file_list import read_list


def never(event):
    raise AssertionError(event)


@pytest.fixture
def listed(tmp_path):
    def make(data, **options):
        path = tmp_path / "list"
        path.write_bytes(data)
        return read_list(str(path), on_event=never, **options)

    return make


def test_one_name_a_line(listed):
    assert listed(b"a.txt\nb c.txt\r\n\n\xc3\xbc.txt\n caf\xe9") == [
        "a.txt",
        "b c.txt",
        "ü.txt",
        " caf\udce9",
    ]


def test_names_separated_by_zero_bytes(listed):
    assert listed(b"a\nb.txt\0c.txt\0", nul=True) == ["a\nb.txt", "c.txt"]
    with pytest.raises(UsageError, match="zero bytes") as caught:
        listed(b"a\0b\0")
    assert caught.value.hint == "add -0"


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\r\n"])
def test_a_list_of_nothing(listed, data):
    with pytest.raises(InputError, match="names no file"):
        listed(data)


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_list(str(tmp_path / "gone"), on_event=never)


def test_from_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.txt\nb.txt\n")))
    assert read_list("-", on_event=never) == ["a.txt", "b.txt"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.txt\n-\n")))
    with pytest.raises(UsageError, match="came from stdin"):
        read_list("-", on_event=never)
