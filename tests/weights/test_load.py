"""GGUF files become the parameters that they hold: every place, every type, nothing that does not belong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import checkpoints
import gguf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.config import ModelConfig
from model.errors import FormatError
from model.formats.gguf import open_gguf
from model.nn import packed
from model.nn.packed import PackedArray
from model.nn.qarray import QArray
from model.nn.rope import rope_table, rotate
from model.weights.load import load_params
from model.weights.params import Params

Kind = gguf.GGMLQuantizationType
LLAMA = tiny.llama(adjacent_pairs=True)
CONFIGS = {"llama": LLAMA, "qwen": tiny.qwen(), "gemma": tiny.gemma(8), "untied": tiny.gemma(7, tied=False)}


def write(path: Path, config: ModelConfig, kind: Kind = Kind.F32, **changes: np.ndarray | None) -> Path:
    """A file with a model's random weights; changes by the tensor's name with __ for the dots."""
    tensors: dict[str, np.ndarray | None] = dict(tiny.tensors_of(config, tiny.random_params(config)))
    tensors |= {name.replace("__", "."): value for name, value in changes.items()}
    kept = {name: value for name, value in tensors.items() if value is not None}
    return tiny.write_gguf(path, tiny.metadata_of(config), kept, kind)


def load(path: Path, config: ModelConfig, precision: Any = "float32", **options: Any) -> Params:
    with open_gguf(path) as file:
        return load_params(file, config, precision=precision, **options)


def assert_same(got: Params, want: Params) -> None:
    for left, right in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("name", CONFIGS)
def test_float32_is_exactly_the_file(tmp_path: Path, name: str) -> None:
    config = CONFIGS[name]
    got = load(write(tmp_path / "m.gguf", config), config)
    assert_same(got, tiny.random_params(config))


@pytest.mark.parametrize("name", CONFIGS)
def test_quantized_is_the_file_but_for_half_a_step(tmp_path: Path, name: str) -> None:
    config = CONFIGS[name]
    got = load(write(tmp_path / "m.gguf", config), config, "quantized")
    assert_near(got, tiny.random_params(config))


def is_quantized(leaf: object) -> bool:
    return isinstance(leaf, QArray)


def assert_near(got: Params, want: Params) -> None:
    """Matrices to half a fine step of their rows, vectors exactly."""
    for left, right in zip(
        jax.tree.leaves(got, is_leaf=is_quantized), jax.tree.leaves(want, is_leaf=is_quantized), strict=True
    ):
        exact = tiny.f64(right)
        if is_quantized(left):
            bound = np.abs(exact).max(-1, keepdims=True) * (0.5 / 127 / 254 + 1e-6)
            assert (np.abs(tiny.f64(left) - exact) <= bound).all()
        else:
            np.testing.assert_array_equal(left, exact)


@pytest.mark.parametrize("kind", [Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1])
def test_every_type_that_can_be_written(tmp_path: Path, kind: Kind) -> None:
    path = write(tmp_path / "m.gguf", LLAMA, kind)
    original = tiny.tensors_of(LLAMA, tiny.random_params(LLAMA))
    # What llama.cpp's own codec says that the file holds.
    held = {
        name: gguf.dequantize(gguf.quantize(weight, kind), kind) if weight.ndim == 2 else weight
        for name, weight in original.items()
    }
    exact = load(path, LLAMA)
    loaded = tiny.tensors_of(LLAMA, exact)
    for name, weight in held.items():
        np.testing.assert_array_equal(loaded[name], weight, err_msg=name)
    assert_near(load(path, LLAMA, "quantized"), exact)


@pytest.mark.parametrize("kind", [Kind.Q4_K, Kind.Q5_K, Kind.Q6_K])
def test_super_blocks(tmp_path: Path, kind: Kind) -> None:
    """Rows of 256 and groups of 32 and 16, from random bytes with scales that are numbers."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    raw = np.random.default_rng(0).integers(0, 256, (tiny.VOCAB, size), np.uint8)
    halves = {Kind.Q4_K: [0, 2], Kind.Q5_K: [0, 2], Kind.Q6_K: [208]}[kind]
    for start in halves:
        raw[:, start : start + 2] = np.full((tiny.VOCAB, 1), 0.01, np.float16).view(np.uint8)
    spec = LLAMA.layers[0]
    config = replace(LLAMA, width=256, layers=(spec,))
    params = tiny.random_params(config)
    tensors = tiny.tensors_of(config, params) | {"token_embd.weight": (raw, kind)}
    checkpoints.write_gguf(tmp_path / "m.gguf", {"general.architecture": "llama"}, tensors)
    want = gguf.dequantize(raw, kind)
    assert want.shape == (tiny.VOCAB, elements)
    assert np.abs(want).max() > 0.01
    exact = load(tmp_path / "m.gguf", config)
    np.testing.assert_array_equal(exact.embed, want)
    assert_near(load(tmp_path / "m.gguf", config, "quantized"), exact)


# --- in the file's own bits -------------------------------------------------------------------------------

SPEC = tiny.with_attention(LLAMA.layers[0], heads=4, kv_heads=2, head_dim=64, ffw=256)
WIDE = replace(LLAMA, width=256, layers=(SPEC,) * 3)  # rows of super-blocks
SUPER = {Kind.Q4_K: ([0, 2], [1.0, 7.5]), Kind.Q5_K: ([0, 2], [1.0, 15.5]), Kind.Q6_K: ([208], [1.0])}
FLAT = (Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q8_0)


def is_packed(leaf: object) -> bool:
    return isinstance(leaf, PackedArray)


def plain(params: Params) -> Params:
    """The same parameters, packed ones as f32."""

    def stacked(leaf: Any) -> Any:
        return np.stack([packed.unpack(each) for each in np.asarray(leaf.data)]) if is_packed(leaf) else leaf

    def single(leaf: Any) -> Any:
        return stacked(leaf)[0] if is_packed(leaf) else leaf

    tree = jax.tree.map(stacked, params, is_leaf=is_packed)
    return replace(tree, embed=single(params.embed), output=single(params.output))


def stored_as(params: Params) -> dict[str, type]:
    """How the matrices of the first layer of the pattern, and those that stand alone, are stored."""
    found = {"embed": params.embed, "output": params.output} | vars(params.stacks[0][0])
    return {name: type(leaf) for name, leaf in found.items() if isinstance(leaf, (PackedArray, QArray))}


def encoded(weight: np.ndarray, kind: Kind, seed: int) -> np.ndarray:
    """Rows in a file's bytes: of these numbers, or random ones of their size where there is no encoder."""
    if kind not in SUPER:
        return gguf.quantize(weight, kind)
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    draw = np.random.default_rng(seed)
    raw = draw.integers(0, 256, (*weight.shape[:-1], weight.shape[-1] // elements, size), np.uint8)
    factor = 2e-3 / {Kind.Q4_K: 4.6, Kind.Q5_K: 9.2, Kind.Q6_K: 20}[kind]
    for at, share in zip(*SUPER[kind], strict=True):
        scales = (factor * share * draw.uniform(0.5, 1, raw.shape[:-1])).astype(np.float16)
        raw[..., at : at + 2] = scales[..., None].view(np.uint8)
    return raw.reshape(*weight.shape[:-1], -1)


def write_kinds(path: Path, config: ModelConfig, kind: Kind, **kinds: Kind) -> Path:
    """A file whose matrices are of one type but for some, by the tensor's name with __ for the dots."""
    others = {name.replace("__", "."): each for name, each in kinds.items()}
    tensors = tiny.tensors_of(config, tiny.random_params(config))
    assert others.keys() <= tensors.keys()
    given = {
        name: (encoded(weight, its := others.get(name, kind), number), its) if weight.ndim == 2 else weight
        for number, (name, weight) in enumerate(tensors.items())
    }
    return checkpoints.write_gguf(path, {"general.architecture": config.architecture}, given)


def assert_kept(got: Params, want: Params) -> None:
    """What is packed to f16's rounding of super-blocks' scales; what is not as in `assert_near`."""
    flat = [jax.tree.leaves(each, is_leaf=is_quantized) for each in (plain(got), want)]
    for left, right in zip(*flat, strict=True):
        if is_quantized(left):
            bound = np.abs(right).max(-1, keepdims=True) * (0.5 / 127 / 254 + 1e-6)
            assert (np.abs(tiny.f64(left) - right) <= bound).all()
        else:
            assert left.shape == right.shape
            bound = np.abs(right).max(-1, keepdims=True) * 2e-3
            assert (np.abs(np.asarray(left) - right) <= bound).all()


@pytest.mark.parametrize("kind", [*FLAT, *SUPER], ids=lambda kind: kind.name)
def test_packed_is_the_file(tmp_path: Path, kind: Kind) -> None:
    path = write_kinds(tmp_path / "m.gguf", WIDE, kind)
    got, want = load(path, WIDE, "packed"), load(path, WIDE)
    assert set(stored_as(got).values()) == {PackedArray}
    assert set(stored_as(got)) == {"embed", "qkv", "attn_out", "gate_up", "down"}
    if kind in FLAT:
        assert_same(plain(got), want)
    else:
        assert_kept(got, want)


@pytest.mark.parametrize("config", [LLAMA, tiny.qwen()], ids=["pairs", "biases"])
def test_packed_without_super_blocks(tmp_path: Path, config: ModelConfig) -> None:
    """Narrow rows, rows reordered by heads, an output of its own whose rows end within a tile."""
    path = write(tmp_path / "m.gguf", config, Kind.Q8_0)
    got = load(path, config, "packed")
    assert set(stored_as(got).values()) == {PackedArray}
    assert_same(plain(got), load(path, config))


def test_types_that_differ_within_a_matrix_and_within_a_stack(tmp_path: Path) -> None:
    """As files are that spend more bits where it counts: on values, on some layers, on the output."""
    path = write_kinds(
        tmp_path / "m.gguf",
        WIDE,
        Kind.Q4_K,
        token_embd__weight=Kind.Q6_K,
        blk__0__attn_v__weight=Kind.Q6_K,
        blk__1__attn_v__weight=Kind.Q8_0,
        blk__0__ffn_down__weight=Kind.Q6_K,
        blk__2__ffn_up__weight=Kind.Q5_0,
        blk__2__attn_output__weight=Kind.Q5_1,
    )
    got, want = load(path, WIDE, "packed"), load(path, WIDE)
    assert set(stored_as(got).values()) == {PackedArray}
    assert_kept(got, want)
    exact = plain(got).stacks[0][0]
    np.testing.assert_array_equal(exact.attn_out[2], want.stacks[0][0].attn_out[2], "what is f16 in the file")


@pytest.mark.parametrize("kind", [Kind.F16, Kind.BF16, Kind.F32])
def test_a_tensor_of_floats_keeps_its_matrix_from_being_packed_and_no_other(
    tmp_path: Path, kind: Kind
) -> None:
    path = write_kinds(
        tmp_path / "m.gguf", WIDE, Kind.Q4_K, blk__1__attn_k__weight=kind, token_embd__weight=kind
    )
    got = load(path, WIDE, "packed")
    assert stored_as(got) == {
        "embed": QArray,
        "qkv": QArray,
        "attn_out": PackedArray,
        "gate_up": PackedArray,
        "down": PackedArray,
    }
    assert_kept(got, load(path, WIDE))


def test_rows_that_do_not_fill_tiles_keep_their_matrix_from_being_packed(tmp_path: Path) -> None:
    """Keys of four rows, between queries and values."""
    spec = tiny.with_attention(LLAMA.layers[0], heads=8, kv_heads=1, head_dim=4)
    config = replace(LLAMA, layers=(spec,) * 2)
    path = write(tmp_path / "m.gguf", config, Kind.Q4_0)
    got = load(path, config, "packed")
    assert {name for name, kind in stored_as(got).items() if kind is QArray} == {"qkv"}
    assert_kept(got, load(path, config))


@pytest.mark.parametrize("kind", [Kind.F16, Kind.F32])
def test_a_file_of_floats_is_quantized_all_over(tmp_path: Path, kind: Kind) -> None:
    config = CONFIGS["gemma"]
    path = write(tmp_path / "m.gguf", config, kind)
    assert_same(load(path, config, "packed"), load(path, config, "quantized"))


def interleaved(x: np.ndarray, positions: np.ndarray, theta: float) -> np.ndarray:
    """RoPE on the pairs (2i, 2i+1), as Llama's own code and llama.cpp do it on GGUF's rows: x [T, N, H]."""
    turned = x[..., 0::2] + 1j * x[..., 1::2]
    size = x.shape[-1]
    turned = turned * np.exp(1j * positions[:, None] * theta ** (-np.arange(0, size, 2) / size))[:, None]
    return np.stack([turned.real, turned.imag], -1).reshape(x.shape)


@pytest.mark.parametrize("precision", ["float32", "quantized"])
def test_reordered_rows_under_halves_are_the_files_rows_under_adjacent_pairs(
    tmp_path: Path, precision: str
) -> None:
    """Scores from the file's rows with interleaved RoPE, and as the engine makes them."""
    spec, positions = tiny.attention_of(LLAMA.layers[1]), np.array([0, 1, 5, 100])
    path = write(tmp_path / "m.gguf", LLAMA)
    x = np.random.default_rng(1).standard_normal((len(positions), LLAMA.width))
    with open_gguf(path) as file:
        raw = {
            which: file.raw(f"blk.1.attn_{which}.weight").view("<f4").reshape(-1, LLAMA.width)
            for which in "qk"
        }
        heads = {which: (x @ rows.T).reshape(len(x), -1, spec.head_dim) for which, rows in raw.items()}
    q, k = (interleaved(heads[which], positions, spec.rope.theta) for which in "qk")
    want = np.einsum("tngh,sngh->ngts", q.reshape(len(x), spec.kv_heads, -1, spec.head_dim), k[:, :, None])

    qkv = tiny.layer_params(LLAMA, load(path, LLAMA, precision), 1)["qkv"]
    assert qkv is not None
    projected = jnp.asarray((x @ qkv.T).reshape(len(x), -1, spec.head_dim), jnp.float32)
    turned = rotate(projected, rope_table(spec.rope, spec.head_dim, 128).angles(jnp.asarray(positions)))
    q, k = np.asarray(turned[:, : spec.heads]), np.asarray(turned[:, spec.heads : -spec.kv_heads])
    got = np.einsum("tngh,sngh->ngts", q.reshape(len(x), spec.kv_heads, -1, spec.head_dim), k[:, :, None])
    np.testing.assert_allclose(got, want, atol=1e-5 if precision == "float32" else 1e-2)
    assert np.abs(want - want.transpose(0, 1, 3, 2)).max() > 0.1, "the order of rows matters here"


def test_only_llama_is_reordered(tmp_path: Path) -> None:
    """The same file read as the kind that pairs halves: other rows."""
    path = write(tmp_path / "m.gguf", LLAMA)
    plain = replace(LLAMA, adjacent_pairs=False)
    reordered, as_they_are = (
        tiny.layer_params(config, load(path, config), 0)["qkv"] for config in (LLAMA, plain)
    )
    assert reordered is not None
    assert as_they_are is not None
    spec = tiny.attention_of(LLAMA.layers[0])
    ends = np.cumsum([spec.heads, spec.kv_heads]) * spec.head_dim
    for mine, theirs, count in zip(
        np.split(reordered, ends), np.split(as_they_are, ends), (spec.heads, spec.kv_heads, 0), strict=True
    ):
        np.testing.assert_array_equal(tiny.permuted(mine, count) if count else mine, theirs)


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path / "m.gguf",
        LLAMA,
        blk__0__attn_q__weight=None,
        blk__2__ffn_norm__weight=None,
        blk__1__ffn_down__weight=np.zeros((64, 32), np.float32),
        blk__1__attn_norm__weight=np.zeros((1, 32), np.float32),
        blk__3__attn_q__weight=np.zeros((32, 32), np.float32),
        blk__0__attn_q__bias=np.zeros(32, np.float32),
        something=np.zeros(1, np.float32),
    )
    with pytest.raises(FormatError) as caught:
        load(path, LLAMA)
    message = str(caught.value)
    assert str(path) in message
    assert {line.strip() for line in message.splitlines()[1:]} == {
        "missing: blk.0.attn_q.weight",
        "missing: blk.2.ffn_norm.weight",
        "unknown: blk.3.attn_q.weight",
        "unknown: blk.0.attn_q.bias",
        "unknown: something",
        "blk.1.ffn_down.weight has shape [64, 32], expected [32, 64]",
        "blk.1.attn_norm.weight has shape [1, 32], expected [32]",
    }


def test_progress_counts_every_weight(tmp_path: Path) -> None:
    config = CONFIGS["untied"]
    seen: list[tuple[int, int]] = []
    load(write(tmp_path / "m.gguf", config), config, report=lambda done, total: seen.append((done, total)))
    assert {total for _, total in seen} == {config.parameters}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (config.parameters, config.parameters)


# --- the laid-out copy ------------------------------------------------------------------------------------


class Copies:
    """A model file and the folder of its copies; `load` says whether the weights were read anew."""

    def __init__(self, folder: Path, precision: str) -> None:
        self.precision = precision
        self.config, self.kind = (LLAMA, Kind.Q8_0) if precision == "packed" else (CONFIGS["gemma"], Kind.F32)
        self.path = write(folder / "model.gguf", self.config, self.kind)
        self.folder = folder / "copies"

    def load(self, precision: str | None = None) -> tuple[Params, bool]:
        reports: list[int] = []
        params = load(
            self.path,
            self.config,
            precision or self.precision,
            copies=self.folder,
            report=lambda done, _: reports.append(done),
        )
        return params, bool(reports)

    def fresh(self) -> Params:
        """The weights without any copy."""
        return load(self.path, self.config, self.precision)

    def names(self) -> list[str]:
        return sorted(each.name for each in self.folder.iterdir())


@pytest.fixture(params=["quantized", "packed"])
def copies(tmp_path: Path, request: pytest.FixtureRequest) -> Copies:
    return Copies(tmp_path, request.param)


def test_a_second_load_maps_the_same_values(copies: Copies) -> None:
    first, read = copies.load()
    assert read
    (name,) = copies.names()
    assert name.startswith("model-")
    assert name.endswith(".weights")
    second, read = copies.load()
    assert not read
    assert_same(second, first)
    assert_same(second, copies.fresh())


@pytest.mark.parametrize(
    "damage",
    [
        lambda copy: os.truncate(copy, copy.stat().st_size // 2),
        lambda copy: os.truncate(copy, 0),
        lambda copy: copy.write_bytes(b"not ours".ljust(copy.stat().st_size, b"\0")),
    ],
    ids=["cut short", "empty", "foreign"],
)
def test_a_damaged_copy_is_made_again(copies: Copies, damage: Callable[[Path], object]) -> None:
    first = jax.tree.map(np.array, copies.load()[0])  # not the mapped pages, which are about to go
    (name,) = copies.names()
    damage(copies.folder / name)
    second, read = copies.load()
    assert read
    assert_same(second, first)
    assert copies.names() == [name]
    assert not copies.load()[1]


def test_a_copy_for_one_way_to_compute_is_not_taken_for_another(copies: Copies) -> None:
    copies.load()
    other = {"packed": "quantized", "quantized": "packed"}[copies.precision]
    params, read = copies.load(other)
    assert read
    assert_same(params, load(copies.path, copies.config, other))
    assert len(copies.names()) == 1
    assert not copies.load(other)[1]


def test_a_changed_model_gets_a_new_copy_and_the_old_one_goes(copies: Copies) -> None:
    copies.load()
    (old,) = copies.names()
    ones = np.ones((tiny.VOCAB, 32), np.float32)
    write(copies.path, copies.config, copies.kind, token_embd__weight=ones)
    changed, read = copies.load()
    assert read
    np.testing.assert_allclose(tiny.f64(plain(changed).embed), 1, rtol=1e-3)
    (new,) = copies.names()
    assert new != old


def test_copies_of_models_that_are_gone_are_removed_and_others_kept(copies: Copies) -> None:
    other, gone = (copies.path.with_name(name) for name in ("other.gguf", "gone.gguf"))
    for path in (other, gone):
        shutil.copy(copies.path, path)
        load(path, copies.config, copies.precision, copies=copies.folder)
    gone.unlink()
    copies.load()
    assert [name.partition("-")[0] for name in copies.names()] == ["model", "other"]


def test_a_stale_copy_that_cannot_be_removed_is_left(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    copies.load()
    os.utime(copies.path, (1, 1))

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    _, read = copies.load()
    assert read
    assert len(copies.names()) == 2


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_full_disk_costs_only_time(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 0))
    for _ in range(2):
        params, read = copies.load()
        assert read
        assert_same(params, copies.fresh())
    assert copies.names() == []


def test_a_folder_that_cannot_be_made_costs_only_time(copies: Copies) -> None:
    copies.folder.write_text("a file in the way")
    params, read = copies.load()
    assert read
    assert_same(params, copies.fresh())


def test_float32_keeps_no_copy(copies: Copies) -> None:
    load(copies.path, copies.config, "float32", copies=copies.folder)
    assert not copies.folder.exists()


def test_a_model_that_is_no_model_keeps_no_copy(copies: Copies) -> None:
    with pytest.raises(FormatError):
        load(copies.path, tiny.gemma(7), copies.precision, copies=copies.folder)
    assert not copies.folder.exists()


def test_names_that_are_not_unicode(copies: Copies) -> None:
    strange = copies.path.with_name(os.fsdecode(b"m\xff\ndel.gguf"))
    copies.path.rename(strange)
    copies.path = strange
    assert copies.load()[1]
    assert not copies.load()[1]
