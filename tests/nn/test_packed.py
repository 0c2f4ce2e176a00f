"""Weights in the file's own bits: what the layout keeps of them, and what the compiled kernel makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from model.formats import ggml
from model.formats.ggml import Blocks, GGMLType
from model.nn import packed
from model.nn.packed import PackedArray, Segment, product

KINDS = [kind for kind in GGMLType if packed.segment(kind, 8)]
SUPER = {GGMLType.Q4_K, GGMLType.Q5_K, GGMLType.Q6_K}  # their groups' scales are products, not f16
F16_AT = {GGMLType.Q4_1: [0, 2], GGMLType.Q5_1: [0, 2], GGMLType.Q4_K: [0, 2], GGMLType.Q5_K: [0, 2]}
F16_AT |= {GGMLType.Q4_0: [0], GGMLType.Q5_0: [0], GGMLType.Q8_0: [0], GGMLType.Q6_K: [208]}
TOKENS = [*range(1, 21), 32, 33]

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@pytest.fixture
def kernel() -> None:
    tiny.needs_kernel(packed.KERNEL)


def blocks(
    kind: GGMLType, rows: int, columns: int, seed: int = 0, scale: float | np.ndarray = 0.01
) -> Blocks:
    """Random bytes as they may lie in a file, but for their f16: half to one of `scale`, of either sign."""
    draw = np.random.default_rng(seed)
    elements, size = ggml.BLOCK[kind]
    raw = draw.integers(0, 256, (rows, columns // elements, size), np.uint8)
    for at in F16_AT[kind]:
        shape = raw.shape[:2]
        factors = draw.uniform(0.5, 1, shape) * draw.choice([-1, 1], shape) * np.reshape(scale, (-1, 1))
        raw[..., at : at + 2] = factors.astype("<f2")[..., None].view(np.uint8)
    unpacked = ggml.unpack(raw.reshape(-1), kind, (rows, columns))
    assert isinstance(unpacked, Blocks)
    return unpacked


def segment(kind: GGMLType, rows: int) -> Segment:
    part = packed.segment(kind, rows)
    assert part is not None
    return part


def matrix(parts: Sequence[tuple[GGMLType, Blocks]], size: int = 0) -> np.ndarray:
    """The packed matrix u8 [bytes], with room up to `size` behind it."""
    columns = parts[0][1].shape[1]
    segments = [segment(kind, len(each.values)) for kind, each in parts]
    assert packed.can_pack(segments, columns)
    room = np.full(max(size, packed.nbytes(segments, columns)), 0xAA, np.uint8)
    places = packed.write_header(room, segments, columns)
    for (_, each), part, place in zip(parts, segments, places, strict=True):
        packed.pack(each, part, room[place])
    return room


def packed_array(*parts: tuple[GGMLType, Blocks]) -> tuple[PackedArray, np.ndarray]:
    """An array as layers have it, and its weights f32."""
    data = matrix(parts)
    weight = packed.unpack(data)
    return PackedArray(jnp.asarray(data[None]), None, (len(weight), weight.shape[1])), weight


def of_kind(kind: GGMLType, rows: int, columns: int = 256, seed: int = 0) -> tuple[PackedArray, np.ndarray]:
    return packed_array((kind, blocks(kind, rows, columns, seed)))


def activations(tokens: int, columns: int = 256, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((tokens, columns)).astype(np.float32)


def run(x: np.ndarray, weight: PackedArray) -> np.ndarray:
    return np.asarray(product(jnp.asarray(x), weight))


def assert_near(got: np.ndarray, x: np.ndarray, weight: np.ndarray) -> None:
    """Equal to the definition but for f32 sums: to a millionth of what is added up."""
    assert got.dtype == np.float32
    size = np.abs(x).astype(np.float64) @ np.abs(weight).astype(np.float64).T
    assert (np.abs(got - packed.definition(x, weight)) <= 1e-6 * size).all()


def assert_kept(kind: GGMLType, original: Blocks) -> None:
    """What is packed is the file's weights: bit for bit, or with scales rounded to f16."""
    got, want = packed.unpack(matrix([(kind, original)])), original.dequantize()
    if kind not in SUPER:
        np.testing.assert_array_equal(got, want)
        return
    scales = np.abs(original.scales.astype(np.float64)).repeat(original.group, axis=1)
    bound = np.abs(original.values) * scales
    if original.mins is not None:
        bound += np.abs(original.mins).repeat(original.group, axis=1)
    # Half a step of f16's 11 bits; far below a row's largest scale its numbers thin out.
    bound = bound * 2.0**-11 + scales.max(axis=1, keepdims=True) * 2.0**-24
    assert (np.abs(got.astype(np.float64) - want) <= bound * (1 + 1e-6)).all()
    assert (np.abs(got - want).max(axis=1) <= 1e-3 * np.abs(want).max(axis=1)).all()


# --- the layout -------------------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 24, 30])
def test_packed_is_what_the_file_says(kind: GGMLType, rows: int) -> None:
    assert_kept(kind, blocks(kind, rows, 768))


@kinds
@pytest.mark.parametrize("scale", [6e-8, 1e-6, 1e-3, 1.0, 65_504.0], ids=str)
def test_scales_of_every_size(kind: GGMLType, scale: float) -> None:
    """From the smallest f16 there is to the largest, which Q6_K multiplies by up to 128."""
    assert_kept(kind, blocks(kind, 9, 256, scale=scale))


@kinds
def test_rows_of_very_different_size_in_a_tile_do_not_disturb_each_other(kind: GGMLType) -> None:
    scales = 10.0 ** np.array([-7, 4, -6, 3, -5, 2, -4, 1])
    assert_kept(kind, blocks(kind, 8, 512, scale=scales))


def test_groups_far_below_their_rows_largest_lose_what_does_not_count() -> None:
    """Scales of one row that f16 could not hold together: an error of less than a 2^26th of the largest."""
    original = blocks(GGMLType.Q8_0, 8, 64)
    original.scales[:, 0], original.scales[:, 1] = 65_504, 2.0 ** -np.arange(17, 25)
    got, want = packed.unpack(matrix([(GGMLType.Q8_0, original)])), original.dequantize()
    np.testing.assert_array_equal(got[:, :32], want[:, :32])
    assert (np.abs(got - want) <= 127 * 65_504 * 2.0**-26).all()


@kinds
def test_zero_scales(kind: GGMLType) -> None:
    got = packed.unpack(matrix([(kind, blocks(kind, 8, 256, scale=0))]))
    assert not got.any()


@kinds
@pytest.mark.parametrize("scale", [np.nan, np.inf, -np.inf])
def test_a_scale_that_is_no_number_stays_none(kind: GGMLType, scale: float) -> None:
    original = blocks(kind, 11, 512)
    original.scales[3, 1] = scale
    if original.mins is not None:
        original.mins[10, 2] = scale
    with np.errstate(invalid="ignore"):
        got, want = packed.unpack(matrix([(kind, original)])), original.dequantize()
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    fine = np.isfinite(want)
    np.testing.assert_array_equal(np.isfinite(got), fine)
    assert (~fine).sum() == original.group * (1 + (original.mins is not None))
    # The other groups of these rows are left as they were, and the other rows too.
    np.testing.assert_allclose(got[fine], want[fine], rtol=0, atol=2e-3 * np.abs(want[fine]).max())


@kinds
def test_a_matrix_takes_the_files_bits_and_little_more(kind: GGMLType) -> None:
    elements, size = ggml.BLOCK[kind]
    rows, columns = 1024, 2048
    taken = packed.nbytes([segment(kind, rows)], columns)
    in_file = rows * columns // elements * size
    assert in_file * 0.99 < taken < in_file * (1.12 if kind in SUPER else 1.01)


def test_what_has_no_place() -> None:
    for kind in (GGMLType.F32, GGMLType.F16, GGMLType.BF16):
        assert packed.segment(kind, 8) is None
    part = segment(GGMLType.Q4_0, 8)
    assert packed.can_pack([part] * 7, 32)
    assert not packed.can_pack([part] * 8, 32), "the header has room for seven"
    assert not packed.can_pack([part], 48), "columns are in chunks"
    assert not packed.can_pack([part, None], 32)
    odd = segment(GGMLType.Q4_0, 9)
    assert packed.can_pack([part, odd], 32)
    assert not packed.can_pack([odd, part], 32), "every segment but the last fills its tiles"


def test_packing_in_steps() -> None:
    """Matrices of more than a million weights are packed some rows at a time."""
    original = blocks(GGMLType.Q4_1, 300, 32 << 10)
    data = matrix([(GGMLType.Q4_1, original)])
    np.testing.assert_array_equal(packed.unpack(data), original.dequantize())


# --- the kernel against its definition --------------------------------------------------------------------


@kinds
@pytest.mark.parametrize(("rows", "columns"), [(1, 256), (8, 512), (13, 256), (100, 768), (203, 256)])
@pytest.mark.usefixtures("kernel")
def test_products(kind: GGMLType, rows: int, columns: int) -> None:
    """One tile and many, whole and in part; one token, a few, and many."""
    array, weight = of_kind(kind, rows, columns)
    for tokens in (1, 3, 17):
        x = activations(tokens, columns)
        assert_near(run(x, array), x, weight)


@kinds
@pytest.mark.usefixtures("kernel")
def test_the_definition_is_the_product(kind: GGMLType) -> None:
    """Activations of 16 bits cost little."""
    array, weight = of_kind(kind, 64, 512)
    x = activations(9, 512)
    want = x.astype(np.float64) @ weight.T.astype(np.float64)
    assert np.abs(run(x, array) - want).max() <= 1e-4 * np.abs(want).max()


@pytest.mark.usefixtures("kernel")
def test_the_widest_rows() -> None:
    """More columns than fit a work item's memory, and sums of the largest weights and activations."""
    columns = 24_576
    original = blocks(GGMLType.Q8_0, 17, columns)
    original.values[:] = np.where(original.scales > 0, -128, 127).repeat(32, axis=1)
    array, weight = packed_array((GGMLType.Q8_0, original))
    for tokens in (1, 18):
        x = np.ones((tokens, columns), np.float32)
        np.testing.assert_allclose(run(x, array), x @ weight.T, rtol=1e-4)


@kinds
@pytest.mark.usefixtures("kernel")
def test_one_token_at_a_time_and_all_at_once_are_bit_for_bit_the_same(kind: GGMLType) -> None:
    array, _ = of_kind(kind, 109)
    x = activations(max(TOKENS))
    alone = np.concatenate([run(row[None], array) for row in x])
    for tokens in TOKENS:
        np.testing.assert_array_equal(run(x[:tokens], array), alone[:tokens], err_msg=f"{tokens} tokens")


@kinds
@pytest.mark.usefixtures("kernel")
def test_rows_of_a_table(kind: GGMLType) -> None:
    array, weight = of_kind(kind, 29)
    index = np.array([0, 28, 7, 8, 8, 15, *range(29)])
    np.testing.assert_array_equal(array.rows(jnp.asarray(index)), weight[index])
    np.testing.assert_array_equal(array.rows(jnp.asarray([-1, 29, 1 << 30])), weight[[0, 28, 28]])


MIXED = [(GGMLType.Q4_K, 16), (GGMLType.Q6_K, 8), (GGMLType.Q8_0, 40), (GGMLType.Q4_0, 8)]
MIXED += [(GGMLType.Q5_K, 24), (GGMLType.Q5_1, 64), (GGMLType.Q5_0, 13)]


@pytest.fixture
def mixed(kernel: None) -> tuple[PackedArray, np.ndarray]:
    """173 rows in seven segments."""
    return packed_array(*((kind, blocks(kind, rows, 256, rows)) for kind, rows in MIXED))


def test_segments_of_several_kinds(mixed: tuple[PackedArray, np.ndarray]) -> None:
    array, weight = mixed
    for tokens in (1, 5, 33):
        x = activations(tokens)
        assert_near(run(x, array), x, weight)
    np.testing.assert_array_equal(array.rows(jnp.arange(173)), weight)


@pytest.mark.parametrize(("start", "stop"), [(0, 8), (0, 173), (8, 24), (16, 17), (24, 111), (160, 173)])
def test_some_outputs(mixed: tuple[PackedArray, np.ndarray], start: int, stop: int) -> None:
    """Within a segment and across them, to the end of a tile and to its middle."""
    array, weight = mixed
    some = array.outputs(start, stop)
    assert some.shape == (stop - start, 256)
    for tokens in (1, 2, 20):
        x = activations(tokens)
        np.testing.assert_array_equal(run(x, some), run(x, array)[:, start:stop])
    np.testing.assert_array_equal(some.rows(jnp.arange(stop - start)), weight[start:stop])


def test_outputs_of_outputs(mixed: tuple[PackedArray, np.ndarray]) -> None:
    array, _ = mixed
    x = activations(3)
    np.testing.assert_array_equal(run(x, array.outputs(16, 112).outputs(8, 30)), run(x, array)[:, 24:46])


def test_outputs_from_the_middle_of_a_tile_are_refused(mixed: tuple[PackedArray, np.ndarray]) -> None:
    with pytest.raises(AssertionError, match="whole"):
        mixed[0].outputs(4, 8)


@pytest.mark.usefixtures("kernel")
def test_a_stack_whose_matrices_differ_in_kind() -> None:
    """As in files that spend more bits on some layers, under the loop that the decoder runs."""
    layers = [(GGMLType.Q4_K, GGMLType.Q6_K), (GGMLType.Q4_K, GGMLType.Q4_K), (GGMLType.Q6_K, GGMLType.Q8_0)]
    parts = [
        [(kind, blocks(kind, 16, 256, seed=10 * number + place)) for place, kind in enumerate(pair)]
        for number, pair in enumerate(layers)
    ]
    size = max(len(matrix(each)) for each in parts)
    stack = np.stack([matrix(each, size) for each in parts])
    array = PackedArray(jnp.asarray(stack), None, (32, 256))
    x = activations(6)

    @jax.jit
    def every_layer(x: jax.Array, array: PackedArray) -> jax.Array:
        return jax.lax.map(lambda layer: product(x, array.at(layer)), jnp.arange(len(layers)))

    got = np.asarray(every_layer(jnp.asarray(x), array))
    for layer, data in enumerate(stack):
        assert_near(got[layer], x, packed.unpack(data))
        np.testing.assert_array_equal(run(x, array.at(jnp.int32(layer)).outputs(8, 24)), got[layer][:, 8:24])
    assert np.abs(got[0] - got[1]).max() > 0.1


@st.composite
def matrices(draw: st.DrawFn) -> list[tuple[GGMLType, Blocks]]:
    columns = draw(st.sampled_from([256, 512, 1280]))
    whole = draw(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 5)), max_size=6))
    last = draw(st.sampled_from(KINDS)), draw(st.integers(1, 40))
    seed, scale = draw(st.integers(0, 1 << 30)), 10.0 ** draw(st.integers(-6, 3))
    return [
        (kind, blocks(kind, rows, columns, seed + place, scale))
        for place, (kind, rows) in enumerate([*((kind, 8 * tiles) for kind, tiles in whole), last])
    ]


@given(matrices(), st.integers(1, 40), st.data())
@settings(max_examples=40, deadline=None)
def test_any_matrix(parts: list[tuple[GGMLType, Blocks]], tokens: int, data: st.DataObject) -> None:
    tiny.needs_kernel(packed.KERNEL)
    array, weight = packed_array(*parts)
    total, columns = weight.shape
    x = activations(tokens, columns, tokens)
    got = run(x, array)
    assert_near(got, x, weight)
    start = 8 * data.draw(st.integers(0, (total - 1) // 8), label="first tile")
    stop = data.draw(st.integers(start + 1, total), label="stop")
    first = data.draw(st.integers(0, tokens - 1), label="first token")
    some = run(x[first:], array.outputs(start, stop))
    np.testing.assert_array_equal(some, got[first:, start:stop])
    index = np.array(data.draw(st.lists(st.integers(0, total - 1), min_size=1, max_size=9), label="rows"))
    np.testing.assert_array_equal(array.rows(jnp.asarray(index)), weight[index])


# --- numbers that are none, and other trouble -------------------------------------------------------------


@kinds
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("tokens", [1, 6, 18])
@pytest.mark.usefixtures("kernel")
def test_activations_that_are_no_number(kind: GGMLType, bad: float, tokens: int) -> None:
    """They never turn into a number, and other tokens never know of them."""
    array, _ = of_kind(kind, 24)
    x = activations(tokens)
    clean = run(x, array)
    for column in (0, 37, 255):
        spoilt = x.copy()
        spoilt[tokens // 2, column] = bad
        got = run(spoilt, array)
        assert not np.isfinite(got[tokens // 2]).any()
        others = np.arange(tokens) != tokens // 2
        np.testing.assert_array_equal(got[others], clean[others])


@kinds
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.usefixtures("kernel")
def test_weights_that_are_no_number(kind: GGMLType, bad: float) -> None:
    original = blocks(kind, 24, 256)
    clean, _ = packed_array((kind, original))
    original.scales[9, 3] = bad
    spoilt = PackedArray(jnp.asarray(matrix([(kind, original)])[None]), None, clean.shape)
    for tokens in (1, 6, 18):
        x = activations(tokens)
        got, others = run(x, spoilt), np.arange(24) != 9
        assert not np.isfinite(got[:, 9]).any()
        np.testing.assert_array_equal(got[:, others], run(x, clean)[:, others])
    assert not np.isfinite(np.asarray(spoilt.rows(jnp.asarray([9])))).all()


@kinds
@pytest.mark.usefixtures("kernel")
def test_activations_of_zero(kind: GGMLType) -> None:
    array, _ = of_kind(kind, 24)
    for tokens in (1, 6, 18):
        x = activations(tokens)
        x[tokens // 2] = 0
        got = run(x, array)
        assert not got[tokens // 2].any()
        assert got[np.arange(tokens) != tokens // 2].all()


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e-3, 1e6, 1e30])
@pytest.mark.usefixtures("kernel")
def test_activations_of_every_size(size: float) -> None:
    array, weight = of_kind(GGMLType.Q4_K, 24)
    for tokens in (1, 18):
        x = activations(tokens) * np.float32(size)
        assert_near(run(x, array), x, weight)


@pytest.mark.parametrize("size", [1e-36, 1e-42])
@pytest.mark.usefixtures("kernel")
def test_activations_too_small_for_a_scale_count_as_nothing(size: float) -> None:
    array, _ = of_kind(GGMLType.Q4_K, 24)
    for tokens in (1, 18):
        got = run(np.full((tokens, 256), size, np.float32), array)
        assert (np.abs(got) < 1e-30).all()


@pytest.mark.usefixtures("kernel")
def test_activations_of_very_different_size_in_a_row() -> None:
    """The outliers of real models: only the 32 around one lose by it."""
    array, weight = of_kind(GGMLType.Q8_0, 24, 512)
    x = activations(5, 512)
    x[:, 100] = 1000
    got = run(x, array)
    assert_near(got, x, weight)
    exact = x.astype(np.float64) @ weight.T.astype(np.float64)
    assert (np.abs(got - exact) <= 1000 / 32767 * np.abs(weight[:, 96:128]).sum(axis=1) + 1e-4).all()


@pytest.mark.usefixtures("kernel")
def test_no_tokens_at_all() -> None:
    array, _ = of_kind(GGMLType.Q4_0, 24)
    assert run(np.zeros((0, 256), np.float32), array).shape == (0, 24)


REFUSED = (ValueError, jax.errors.JaxRuntimeError)  # outside and inside of a compiled program
HEADER = {"segments": 0, "columns": 1, "rows": 8, "bits": 9, "group": 10, "mins": 12, "first unit": 13}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("segments", 0),
        ("segments", 8),
        ("segments", -1),
        ("columns", 512),
        ("columns", 0),
        ("rows", 16),
        ("rows", -8),
        ("rows", 1 << 30),
        ("bits", 7),
        ("bits", 0),
        ("group", 16),
        ("group", 0),
        ("mins", 2),
        ("first unit", 1 << 20),
        ("first unit", -4),
    ],
    ids=str,
)
@pytest.mark.usefixtures("kernel")
def test_a_header_of_another_shape_is_refused(field: str, value: int) -> None:
    """An error and no crash, whatever a damaged file says."""
    array, _ = of_kind(GGMLType.Q8_0, 24)
    data = np.array(array.data)
    data[0].view("<i4")[HEADER[field]] = value
    array = PackedArray(jnp.asarray(data), None, array.shape)
    for tokens in (1, 18):
        with pytest.raises(REFUSED, match="the matrix is not of this shape"):
            run(activations(tokens), array)
    with pytest.raises(REFUSED, match=r"packed rows"):
        np.asarray(array.rows(jnp.asarray([23])))


@pytest.mark.usefixtures("kernel")
def test_arrays_of_another_shape_are_refused() -> None:
    array, _ = of_kind(GGMLType.Q8_0, 24)
    cut = PackedArray(array.data[:, :-64], None, array.shape)
    more = PackedArray(array.data, None, (32, 256))
    for wrong, columns in ((array, 128), (array, 512), (cut, 256), (more, 256)):
        with pytest.raises(REFUSED, match="not of this shape"):
            run(activations(1, columns), wrong)
    for layer in (1, -1, 1 << 30):
        with pytest.raises(REFUSED, match="no such layer"):
            run(activations(1), array.at(jnp.int32(layer)))
    with pytest.raises(AssertionError, match="stack"):
        array.at(jnp.int32(0)).rows(jnp.asarray([0]))
