"""Every codec gives, bit for bit, what the `gguf` package gives for the same blocks."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import FormatError, UnsupportedModelError
from model.formats import ggml
from model.formats.ggml import BLOCK, Blocks, GGMLType, ggml_type, unpack

FLOATS = {GGMLType.F32, GGMLType.F16, GGMLType.BF16}
QUANTIZED = sorted(set(GGMLType) - FLOATS)
VALUE_RANGE = {
    GGMLType.Q4_0: (-8, 7),
    GGMLType.Q4_1: (0, 15),
    GGMLType.Q5_0: (-16, 15),
    GGMLType.Q5_1: (0, 31),
    GGMLType.Q8_0: (-128, 127),
    GGMLType.Q4_K: (0, 15),
    GGMLType.Q5_K: (0, 31),
    GGMLType.Q6_K: (-32, 31),
}


def assert_same_bits(got: np.ndarray, want: np.ndarray) -> None:
    """Equal including the sign of zero; a NaN (random bytes make some) equals any NaN."""
    assert got.dtype == np.float32
    number = ~np.isnan(want)
    np.testing.assert_array_equal(np.isnan(got), ~number)
    np.testing.assert_array_equal(
        np.ascontiguousarray(got).view(np.uint32)[number],
        np.ascontiguousarray(want, np.float32).view(np.uint32)[number],
    )


def reference(raw: np.ndarray, type: GGMLType, shape: tuple[int, ...]) -> np.ndarray:
    with np.errstate(all="ignore"):
        rows = raw.reshape(-1, shape[-1] // BLOCK[type][0] * BLOCK[type][1])
        return gguf.dequantize(rows, gguf.GGMLQuantizationType(int(type))).reshape(shape)


def weights(raw: np.ndarray, type: GGMLType, shape: tuple[int, ...]) -> np.ndarray:
    unpacked = unpack(raw, type, shape)
    return unpacked.dequantize() if isinstance(unpacked, Blocks) else unpacked


@pytest.mark.parametrize("type", list(GGMLType), ids=lambda t: t.name)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_bytes_unpack_as_the_reference_does(type: GGMLType, data: st.DataObject) -> None:
    elements, size = BLOCK[type]
    shape = (
        *data.draw(st.lists(st.integers(1, 3), max_size=2)),
        elements * data.draw(st.integers(1, 4)),
    )
    length = int(np.prod(shape)) // elements * size
    raw = np.frombuffer(data.draw(st.binary(min_size=length, max_size=length)), np.uint8)
    assert_same_bits(weights(raw, type, shape), reference(raw, type, shape))


@pytest.mark.parametrize("type", list(GGMLType), ids=lambda t: t.name)
def test_a_tensor_of_several_slices_unpacks_as_the_reference_does(type: GGMLType) -> None:
    elements, size = BLOCK[type]
    columns = 2 * 256
    rows = 3 * ggml._SLICE // columns + 5  # the last slice is a short one
    raw = np.random.default_rng(int(type)).integers(0, 256, rows * columns // elements * size, dtype=np.uint8)
    assert_same_bits(weights(raw, type, (rows, columns)), reference(raw, type, (rows, columns)))


@pytest.mark.parametrize("type", QUANTIZED, ids=lambda t: t.name)
def test_blocks_hold_the_files_own_integers(type: GGMLType) -> None:
    elements, size = BLOCK[type]
    raw = np.random.default_rng(7).integers(0, 256, 6 * 16 * size, dtype=np.uint8)
    blocks = unpack(raw, type, (2, 3, 16 * elements))
    assert isinstance(blocks, Blocks)
    assert blocks.group == (16 if type is GGMLType.Q6_K else 32)
    assert blocks.shape == (2, 3, 16 * elements)
    assert blocks.values.dtype == np.int8
    assert blocks.scales.dtype == np.float32
    assert blocks.scales.shape == (2, 3, 16 * elements // blocks.group)
    low, high = VALUE_RANGE[type]
    assert (blocks.values.min(), blocks.values.max()) == (low, high)
    if low < 0:
        assert blocks.mins is None
    else:
        assert blocks.mins is not None
        assert blocks.mins.dtype == np.float32
        assert blocks.mins.shape == blocks.scales.shape


@pytest.mark.parametrize("name", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_weights_survive_the_references_quantizer(name: str) -> None:
    original = np.random.default_rng(3).normal(size=(4, 256)).astype(np.float32)
    packed = gguf.quantize(original, gguf.GGMLQuantizationType[name]).reshape(-1)
    step = 2 * np.abs(original).max() / {"4": 15, "5": 31, "8": 255}[name[1]]
    np.testing.assert_allclose(weights(packed, GGMLType[name], (4, 256)), original, atol=step)


def test_bytes_and_shape_must_belong_together() -> None:
    with pytest.raises(FormatError, match="blocks of 32"):
        unpack(np.zeros(18, np.uint8), GGMLType.Q4_0, (2, 16))
    with pytest.raises(FormatError, match="36 bytes, not 35"):
        unpack(np.zeros(35, np.uint8), GGMLType.Q4_0, (2, 32))
    with pytest.raises(FormatError, match="cannot be F32"):
        unpack(np.zeros(4, np.uint8), GGMLType.F32, ())


def test_a_type_without_codec_is_named() -> None:
    assert ggml_type(12) is GGMLType.Q4_K
    with pytest.raises(UnsupportedModelError, match=r"IQ2_XXS cannot be read.*Q4_K"):
        ggml_type(16)
    with pytest.raises(UnsupportedModelError, match="number 4711"):
        ggml_type(4711)


def test_type_numbers_and_sizes_are_those_of_the_reference() -> None:
    for type in GGMLType:
        assert BLOCK[type] == gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[type.name]]
        assert gguf.GGMLQuantizationType[type.name] == int(type)
    for number, name in ggml._OTHER_NAMES.items():
        assert gguf.GGMLQuantizationType(number).name == name
