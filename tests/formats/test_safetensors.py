"""Safetensors: what the reference writes is read exactly, and damage of any kind is one clear error."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from model.errors import FormatError, ModelError, UnsupportedModelError
from model.formats.safetensors import INDEX, open_safetensors

_KINDS = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "BF16": ml_dtypes.bfloat16}


def write(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    """A file as the format's description has it, written apart from any reader."""
    names = {np.dtype(kind): name for name, kind in _KINDS.items()} | {np.dtype(np.int64): "I64"}
    header, at, body = {"__metadata__": {"format": "pt"}}, 0, b""
    for name, array in tensors.items():
        header[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
        body += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def some(seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    return {kind: draw.standard_normal((6, 5)).astype(_KINDS[kind]) for kind in _KINDS}


def test_every_type_of_weights_is_widened_exactly(tmp_path: Path):
    tensors = some()
    with open_safetensors(write(tmp_path / "m.safetensors", tensors)) as file:
        for name, array in tensors.items():
            assert file.tensors[name].shape == (6, 5)
            assert file.tensors[name].nbytes == array.nbytes
            np.testing.assert_array_equal(file.read(name), array.astype(np.float32))
            np.testing.assert_array_equal(file.read(name, slice(2, 4)), array[2:4].astype(np.float32))


def test_integers_are_no_weights(tmp_path: Path):
    path = write(tmp_path / "m.safetensors", {"n": np.arange(3)})
    with open_safetensors(path) as file, pytest.raises(UnsupportedModelError, match="I64"):
        file.read("n")


def test_what_the_library_writes_is_read(tmp_path: Path):
    tensors = {name: array for name, array in some(1).items() if name != "BF16"}
    save_file(tensors, tmp_path / "model.safetensors")
    with open_safetensors(tmp_path) as folder:
        for name, array in tensors.items():
            np.testing.assert_array_equal(folder.read(name), array.astype(np.float32))


def sharded(folder: Path) -> dict[str, np.ndarray]:
    one, two = some(2), {f"{name}.more": array for name, array in some(3).items()}
    write(folder / "model-00001-of-00002.safetensors", one)
    write(folder / "model-00002-of-00002.safetensors", two)
    where = dict.fromkeys(one, "model-00001-of-00002.safetensors")
    where |= dict.fromkeys(two, "model-00002-of-00002.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": where}))
    return one | two


def test_a_folder_of_several_files_is_one_checkpoint(tmp_path: Path):
    tensors = sharded(tmp_path)
    with open_safetensors(tmp_path) as folder:
        assert set(folder.tensors) == set(tensors)
        for name, array in tensors.items():
            np.testing.assert_array_equal(folder.read(name), array.astype(np.float32))


def test_a_missing_file_is_named(tmp_path: Path):
    sharded(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(FormatError, match=r"1 of 2 files are missing: model-00002-of-00002\.safetensors"):
        open_safetensors(tmp_path)


@pytest.mark.parametrize(
    "index", ["", "{}", '{"weight_map": {}}', '{"weight_map": {"a": "../a.safetensors"}}', "[]"]
)
def test_a_damaged_index_is_refused(tmp_path: Path, index: str):
    (tmp_path / INDEX).write_text(index)
    with pytest.raises(FormatError):
        open_safetensors(tmp_path)


def test_a_tensor_in_two_files_is_refused(tmp_path: Path):
    write(tmp_path / "a.safetensors", some())
    write(tmp_path / "b.safetensors", some())
    with pytest.raises(FormatError, match="two files"):
        open_safetensors(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.ckpt"])
def test_pickles_are_refused(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"\x80\x04")
    with pytest.raises(UnsupportedModelError, match="pickle"):
        open_safetensors(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(FormatError, match="no safetensors"):
        open_safetensors(tmp_path)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damage_is_an_error_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    folder = tmp_path_factory.mktemp("damaged")
    good = write(folder / "m.safetensors", some()).read_bytes()
    if data.draw(st.booleans()):
        bad = good[: data.draw(st.integers(0, len(good) - 1))]
    else:
        at = data.draw(st.integers(0, min(len(good), 400) - 1))
        bad = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    (folder / "m.safetensors").write_bytes(bad)
    try:
        with open_safetensors(folder / "m.safetensors") as file:
            for name in file.tensors:
                file.read(name)
    except ModelError:
        pass
