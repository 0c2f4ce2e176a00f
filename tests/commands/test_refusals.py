"""Models that cannot be run: one clear error with exit 5 or 6, told before anything is answered."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeing
import tiny

from gemcli.hub import room

CONFIG = replace(tiny.parrot_config(), context=4096)
TENSORS = tiny.tensors_of(CONFIG, tiny.random_params(CONFIG))
Q = "blk.0.attn_q.weight"


def made(path: Path, tensors: dict[str, np.ndarray] | None = None, **keys: Any) -> str:
    """A tiny model's file with these tensors; `keys` replace metadata, with __ for dots."""
    metadata = tiny.metadata_of(CONFIG) | tiny.byte_tokenizer()
    metadata |= {key.replace("__", "."): value for key, value in keys.items()}
    tiny.write_gguf(path, metadata, TENSORS if tensors is None else tensors)
    return path.name


def test_tensors_that_do_not_fit_are_told_in_one_report(cli, inside):
    tensors = {name: array for name, array in TENSORS.items() if name not in (Q, "blk.0.ffn_up.weight")}
    tensors["blk.0.ffn_down.weight"] = np.zeros((4, 32), np.float32)
    tensors["blk.0.surprise.weight"] = np.zeros((2, 2), np.float32)
    name = made(cli.folder / "m.gguf", tensors)
    inside("ask", "hi", "-m", name).failed(
        5, "m.gguf", f"missing: {Q}", "missing: blk.0.ffn_up.weight", "unknown: blk.0.surprise.weight",
        "blk.0.ffn_down.weight has shape [4, 32]",
    )  # fmt: skip


def test_numbers_that_are_none_are_named(cli, inside):
    broken = TENSORS[Q].copy()
    broken[3, 7] = np.nan
    norm = np.full(CONFIG.width, np.inf, np.float32)
    name = made(cli.folder / "m.gguf", TENSORS | {Q: broken, "output_norm.weight": norm})
    inside("ask", "hi", "-m", name).failed(5, "m.gguf", Q, "output_norm.weight")


def test_a_tensor_type_that_is_not_read(cli, inside):
    name = made(cli.folder / "m.gguf")
    data = bytearray((cli.folder / name).read_bytes())
    at = data.index(Q.encode()) + len(Q) + 4 + 2 * 8  # behind its name: the number of axes, and two of them
    assert struct.unpack_from("<I", data, at) == (0,)
    struct.pack_into("<I", data, at, 16)
    (cli.folder / name).write_bytes(data)
    inside("ask", "hi", "-m", name).failed(5, "m.gguf", "IQ2_XXS")


def test_a_tokenizer_of_another_size(cli, inside):
    rows = np.zeros((97, CONFIG.width), np.float32)
    name = made(cli.folder / "m.gguf", TENSORS | {"token_embd.weight": rows, "output.weight": rows})
    inside("ask", "hi", "-m", name).failed(5, "m.gguf", "259 tokens", "97 rows")


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    ],
)
def test_a_malicious_template_does_nothing(cli, inside, template):
    name = made(cli.folder / "m.gguf", tokenizer__chat_template=template)
    inside("ask", "hi", "-m", name).failed(5, "template")


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_pickles_are_never_opened(cli, inside, file):
    cli.file("folder/config.json", json.dumps({"model_type": "llama"}))
    cli.file(f"folder/{file}", b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.")
    inside("ask", "hi", "-m", "folder").failed(5, "folder", "pickles", "safetensors")
    inside("models", "show", f"folder/{file}").failed(5, "pickles")
    assert not (cli.folder / "pwned").exists()


def test_an_architecture_of_a_folder_that_is_not_known(cli, inside):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    cli.file("folder/config.json", json.dumps({"model_type": "zorgon"}))
    cli.file("folder/model.safetensors", struct.pack("<Q", len(header)) + header + bytes(4))
    inside("ask", "hi", "-m", "folder").failed(5, "folder", "zorgon")


def test_the_mmproj_of_another_model(cli, inside):
    made(cli.folder / "m.gguf")
    other = seeing.checkpoint("gemma3")
    tensors = {name: other.read(name) for name in other.tensors}
    seeing.write_mmproj(cli.folder / "mmproj.gguf", "gemma3", tensors)
    inside("ask", "hi", "-m", "m.gguf").failed(5, "mmproj.gguf", "width 24", "288", "mmproj file of the same")


def test_an_mmproj_that_is_not_supported_leaves_the_text(cli, inside, monkeypatch):
    made(cli.folder / "m.gguf")
    metadata = seeing.mmproj_metadata("gemma3") | {"clip.projector_type": "zorgon"}
    seeing.write(cli.folder / "mmproj.gguf", metadata, {"v.a": np.zeros((2, 2), np.float32)})
    monkeypatch.setattr(room, "available_bytes", lambda: None)
    done = inside("ask", "hi", "-m", "m.gguf", "--max-tokens", "1", "--json")
    assert done.code == 0, done.err
    assert "reads text only" in done.err
    assert "zorgon" in done.err
    assert any("reads text only" in each for each in done.json()["warnings"])
    shown = inside("models", "show", "m.gguf", "--json").json()
    assert shown["tokens"] == {}


def test_a_model_larger_than_memory_is_told_before_it_is_loaded(cli, inside, monkeypatch):
    name = made(cli.folder / "m.gguf")
    monkeypatch.setattr(room, "available_bytes", lambda: 1_000_000)
    monkeypatch.setattr("model.load.load", lambda *_, **__: pytest.fail("nothing is loaded"))
    inside("ask", "hi", "-m", name).failed(6, "m.gguf needs", "for its weights", "1.0 MB are free")
