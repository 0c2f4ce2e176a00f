"""GGUF files are read as written, and damaged ones are refused with a message that names them."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.errors import FormatError, ModelError, UnsupportedModelError
from model.formats.ggml import GGMLType
from model.formats.gguf import GGUFFile, open_gguf

MATRIX = np.arange(2 * 64, dtype=np.float32).reshape(2, 64) / 7
WORDS = ["a", "", "ü", "日本語", "x" * 300, "▁the", "\x00"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "sound.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.name", "A modèl")
    writer.add_uint32("llama.block_count", 3)
    writer.add_int64("a.negative", -(2**40))
    writer.add_float32("a.float", 1e6)
    writer.add_float64("a.double", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_uint8("a.byte", 255)
    writer.add_array("tokenizer.ggml.tokens", WORDS)
    writer.add_array("a.ints", [1, -2, 3])
    writer.add_array("a.floats", [0.5, -1.5])
    writer.add_array("a.bools", [True, False])
    writer.add_tensor("plain", MATRIX)
    writer.add_tensor("packed", gguf.quantize(MATRIX, gguf.GGMLQuantizationType.Q8_0),
                      raw_dtype=gguf.GGMLQuantizationType.Q8_0)  # fmt: skip
    writer.add_tensor("vector", np.ones(5, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def damaged(path: Path, contents: bytes) -> Path:
    path.write_bytes(contents)
    return path


def header(version: int = 3, tensors: int = 0, pairs: int = 0, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + rest


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def tensor(name: str, dims: list[int], type: int, offset: int) -> bytes:
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, type, offset)


def test_metadata_and_tensors_are_as_written(sound: Path) -> None:
    with open_gguf(sound) as file:
        assert file.path == sound
        assert file.version == 3
        assert file.metadata == {
            "general.architecture": "llama",
            "general.name": "A modèl",
            "llama.block_count": 3,
            "a.negative": -(2**40),
            "a.float": 1e6,
            "a.double": 0.1,
            "a.bool": True,
            "a.byte": 255,
            "tokenizer.ggml.tokens": WORDS,
            "a.ints": [1, -2, 3],
            "a.floats": [0.5, -1.5],
            "a.bools": [True, False],
        }
        assert file.metadata["a.bool"] is True
        assert list(file.tensors) == ["plain", "packed", "vector"]
        assert file.tensors["plain"].shape == (2, 64)
        assert file.tensors["plain"].type is GGMLType.F32
        assert file.tensors["packed"].shape == (2, 64)
        assert file.tensors["packed"].type is GGMLType.Q8_0
        assert file.tensors["packed"].nbytes == 4 * 34
        assert file.tensors["vector"].shape == (5,)
        np.testing.assert_array_equal(file.raw("plain").view("<f4").reshape(2, 64), MATRIX)
        np.testing.assert_array_equal(
            file.raw("packed").reshape(2, -1), gguf.quantize(MATRIX, gguf.GGMLQuantizationType.Q8_0)
        )
        np.testing.assert_array_equal(file.raw("vector").view("<f2"), np.ones(5))


def test_raw_is_a_view_of_the_file_and_outlives_it(sound: Path) -> None:
    with open_gguf(sound) as file:
        view = file.raw("plain")
        assert not view.flags.owndata
        assert not view.flags.writeable
        with pytest.raises(KeyError):
            file.raw("absent")
    np.testing.assert_array_equal(view.view("<f4"), MATRIX.reshape(-1))
    with pytest.raises(ValueError, match=r"sound\.gguf is closed"):
        file.raw("plain")


def test_every_cut_is_noticed(sound: Path, tmp_path: Path) -> None:
    whole = sound.read_bytes()
    last = max(info.offset + info.nbytes for info in open_gguf(sound).tensors.values())
    for length in [*range(0, last, 7), last - 1]:
        with pytest.raises(FormatError, match=r"cut\.gguf"):
            open_gguf(damaged(tmp_path / "cut.gguf", whole[:length]))
    assert isinstance(open_gguf(damaged(tmp_path / "cut.gguf", whole[:last])), GGUFFile)


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_anywhere_never_raises_anything_else(sound: Path, tmp_path: Path, data: st.DataObject) -> None:
    contents = bytearray(sound.read_bytes())
    end_of_header = min(info.offset for info in open_gguf(sound).tensors.values())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, end_of_header - 1))
        patch = data.draw(
            st.one_of(
                st.binary(min_size=1, max_size=8),
                st.sampled_from(
                    [b"\xff" * 8, b"\x00" * 8, struct.pack("<Q", 2**63), struct.pack("<Q", 2**32)]
                ),
            )
        )
        contents[at : at + len(patch)] = patch
    path = damaged(tmp_path / "mutant.gguf", bytes(contents))
    try:
        file = open_gguf(path)
    except ModelError as error:
        message = str(error)
    else:
        for name, info in file.tensors.items():
            assert file.raw(name).size == info.nbytes
        return
    assert "mutant.gguf" in message


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "0 bytes long"),
        (b"GGUF", "4 bytes long"),
        (b"<!DOCTYPE html><html>" * 9, "begins with b'<!DO'"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git-lfs pointer"),
        (header(tensors=2**60), "announces 1,152,921,504,606,846,976 tensors"),
        (header(pairs=2**60), "metadata entries, more than the file can hold"),
        (header(pairs=1, rest=text("k") + struct.pack("<I", 13)), "unknown value type 13"),
        (header(pairs=1, rest=text("k") + struct.pack("<IIQ", 9, 77, 0)), "array of the unknown type 77"),
        (header(pairs=1, rest=text("k") + struct.pack("<IIQ", 9, 8, 2**40)), "strings in 'k'"),
        (header(pairs=1, rest=text("k") + struct.pack("<IIQ", 9, 4, 2**40)), "values in 'k'"),
        (header(pairs=1, rest=text("k") + struct.pack("<IIQ", 9, 9, 2**40)), "arrays in 'k'"),
        (header(pairs=1, rest=text("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 9), "too deeply"),
        (header(pairs=1, rest=text("k") + struct.pack("<IIQQ", 9, 8, 1, 2**63)), "within string 0 of 1"),
        (header(pairs=1, rest=text("k") + struct.pack("<IIQQB", 9, 8, 1, 1, 0xFF)), "string 0 of 'k' is not"),
        (header(pairs=1, rest=struct.pack("<Q", 1) + b"\xff\0\0\0\0" + b"\0" * 8), "not UTF-8"),
        (header(pairs=1, rest=struct.pack("<Q", 2**62) + b"\0" * 16), "needs 4,611,686,018,427,387,904"),
        (header(pairs=2, rest=2 * (text("k") + struct.pack("<IB", 0, 1))), "'k' occurs twice"),
        (
            header(pairs=1, rest=text("general.alignment") + struct.pack("<II", 4, 24)),
            "alignment is 24, not a power of two",
        ),
        (header(tensors=1, rest=text("t") + struct.pack("<I", 5) + b"\0" * 60), "5 dimensions"),
        (header(tensors=1, rest=tensor("t", [2**40, 2**40], 0, 0)), "cut short: tensor 't' ends at byte"),
        (header(tensors=1, rest=tensor("t", [1], 0, 2**62)), "cut short"),
        (header(tensors=1, rest=tensor("t", [1], 0, 4)), "not a multiple of 32"),
        (header(tensors=1, rest=tensor("t", [33], 2, 0) + b"\0" * 99), "rows of 33, not whole Q4_0 blocks"),
        (header(tensors=1, rest=tensor("t", [], 2, 0) + b"\0" * 99), "scalar of the block type Q4_0"),
        (header(tensors=2, rest=2 * tensor("t", [1], 0, 0) + b"\0" * 99), "tensor 't' occurs twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_damage_is_named(tmp_path: Path, contents: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        open_gguf(damaged(tmp_path / "broken.gguf", contents))
    assert str(tmp_path / "broken.gguf") in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (header(version=1), "version 1 is not read"),
        (header(version=4), "version 4 is not read"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (header(tensors=1, rest=tensor("t", [256], 16, 0)), "tensor 't': tensor type IQ2_XXS"),
        (header(pairs=1, rest=text("split.count") + struct.pack("<IH", 2, 5)), "one of 5 parts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_we_do_not_read_is_named(tmp_path: Path, contents: bytes, message: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        open_gguf(damaged(tmp_path / "other.gguf", contents))
    assert str(tmp_path / "other.gguf") in str(caught.value)
    assert message in str(caught.value)


def test_version_two_and_an_empty_model_are_read(tmp_path: Path) -> None:
    file = open_gguf(damaged(tmp_path / "empty.gguf", header(version=2)))
    assert (file.version, file.metadata, file.tensors) == (2, {}, {})


def test_a_name_that_is_not_utf8_is_no_reason_to_refuse(tmp_path: Path) -> None:
    value = struct.pack("<I", 8) + struct.pack("<Q", 2) + b"\xfcb"
    file = open_gguf(damaged(tmp_path / "latin.gguf", header(pairs=1, rest=text("general.name") + value)))
    assert file.metadata["general.name"] == "\ufffdb"


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_gguf(tmp_path / "absent.gguf")
