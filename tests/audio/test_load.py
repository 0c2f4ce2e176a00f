"""Weights find their places from either kind of file; whatever is wrong with a file is said in one report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import hearing
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checkpoints import InMemory

from model.arch.audio import audio_spec_from_hf, audio_spec_from_mmproj
from model.audio.encoder import AudioEncoder
from model.audio.load import load_audio
from model.audio.params import abstract, is_info, parameters
from model.errors import FormatError
from model.formats.gguf import open_gguf
from model.nn.linear import Numerics

EXACT = Numerics(integer_rows=0)
FEED = f"{hearing.TOWER}layers.1.feed_forward1."


def from_hf(tensors: hearing.Tensors, config: dict[str, Any] = hearing.CONFIG, **given: Any) -> Any:
    spec = audio_spec_from_hf(config)
    assert spec is not None
    return load_audio(InMemory(tensors), spec, **given)


@pytest.mark.parametrize("config", [hearing.CONFIG, hearing.UNCLIPPED, hearing.UNIFIED])
def test_an_mmproj_is_the_same_encoder(tmp_path: Path, config: dict[str, Any]):
    tensors = hearing.weights(config)
    with open_gguf(hearing.mmproj(tmp_path / "mmproj.gguf", config, tensors)) as file:
        spec = audio_spec_from_mmproj(file.metadata, file.tensors)
        assert spec == audio_spec_from_hf(config)
        assert spec is not None
        params = load_audio(file, spec)
    theirs, ours = (jax.tree.leaves(each) for each in (from_hf(tensors, config), params))
    assert len(theirs) == len(ours)
    for wanted, got in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_every_place_is_filled_from_a_tensor_of_its_own():
    """All weights are drawn apart, so two places that share a tensor would be equal."""
    params = from_hf(hearing.weights(hearing.CONFIG))
    seen: list[bytes] = []
    for leaf in jax.tree.leaves(params):
        values = np.asarray(leaf)
        seen += [each.tobytes() for each in (values if len(values) == hearing.LAYERS else values[None])]
    assert len(set(seen)) == len(seen)
    assert params.conformer.layers.query_scale.min() > 0


def test_the_two_norms_of_the_convolution_are_not_confused(tmp_path: Path):
    """GGUF's names say the opposite of what they sound like."""
    tensors = hearing.weights(hearing.CONFIG)
    params = from_hf(tensors)
    layers = params.conformer.layers
    at = f"{hearing.TOWER}layers.2.lconv1d."
    np.testing.assert_array_equal(layers.conv_norm[2], tensors[f"{at}pre_layer_norm.weight"])
    np.testing.assert_array_equal(layers.conv_post_norm[2], tensors[f"{at}conv_norm.weight"])
    names = hearing.converted(tensors)
    np.testing.assert_array_equal(names["a.blk.2.conv_norm.weight"], layers.conv_norm[2])
    np.testing.assert_array_equal(names["a.blk.2.norm_conv.weight"], layers.conv_post_norm[2])


def test_tensors_of_others_are_left_alone():
    tensors = hearing.weights(hearing.CONFIG) | {"model.language_model.norm.weight": np.ones(3, np.float32)}
    assert from_hf(tensors) is not None


def test_a_checkpoint_of_the_bare_model_has_no_prefix():
    tensors = hearing.weights(hearing.CONFIG)
    bare = {name.removeprefix("model."): value for name, value in tensors.items()}
    for one, other in zip(jax.tree.leaves(from_hf(bare)), jax.tree.leaves(from_hf(tensors)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_all_that_is_wrong_is_said_at_once():
    tensors = hearing.weights(hearing.CONFIG)
    del tensors[f"{FEED}pre_layer_norm.weight"], tensors[f"{FEED}ffw_layer_1.input_max"]
    tensors[f"{FEED}ffw_layer_2.linear.weight"] = np.zeros((3, 4), np.float32)
    tensors[f"{hearing.TOWER}layers.9.norm_out.weight"] = np.zeros(32, np.float32)
    with pytest.raises(FormatError) as error:
        from_hf(tensors)
    said = str(error.value)
    assert f"missing: {FEED}pre_layer_norm.weight" in said
    assert f"missing: {FEED}ffw_layer_1.input_max" in said
    assert f"unknown: {hearing.TOWER}layers.9.norm_out.weight" in said
    assert f"{FEED}ffw_layer_2.linear.weight has shape [3, 4], expected [32, 128]" in said
    assert said.count("\n") == 4


def test_numbers_that_are_none_are_found():
    tensors = hearing.weights(hearing.CONFIG)
    tensors[f"{FEED}ffw_layer_1.linear.weight"][3, 4:6] = np.nan
    tensors[f"{FEED}ffw_layer_1.output_min"] = np.array(np.nan, np.float32)
    tensors[f"{hearing.TOWER}output_proj.bias"][0] = np.inf
    tensors[f"{FEED}ffw_layer_2.output_max"] = np.array(np.inf, np.float32)
    with pytest.raises(FormatError) as error:
        from_hf(tensors)
    said = str(error.value)
    assert f"{FEED}ffw_layer_1.linear.weight: 2 of 4,096" in said
    assert f"{FEED}ffw_layer_1.output_min" in said
    assert f"{hearing.TOWER}output_proj.bias: 1 of 24" in said
    assert "output_max" not in said


def test_more_layers_than_a_file_can_hold_are_refused(tmp_path: Path):
    path = hearing.mmproj(
        tmp_path / "m.gguf", hearing.CONFIG, hearing.weights(hearing.CONFIG), block_count=2**31
    )
    with open_gguf(path) as file:
        spec = audio_spec_from_mmproj(file.metadata, file.tensors)
        assert spec is not None
        with pytest.raises(FormatError, match="2,147,483,648 layers"):
            load_audio(file, spec)


def test_matrices_may_be_kept_in_sixteen_bits():
    """What is rounded is each matrix and nothing else, to the nearest number of that type."""
    exact, kept = (
        from_hf(hearing.weights(hearing.CONFIG)),
        from_hf(hearing.weights(hearing.CONFIG), matrices="bfloat16"),
    )
    spec = audio_spec_from_hf(hearing.CONFIG)
    assert spec is not None
    infos = jax.tree.leaves(abstract(spec), is_leaf=is_info)
    for info, one, other in zip(infos, jax.tree.leaves(exact), jax.tree.leaves(kept), strict=True):
        kind = jnp.bfloat16 if info.kind == "matrix" else jnp.float32
        assert other.dtype == kind
        np.testing.assert_array_equal(other, one.astype(kind))


def test_quantized_files(tmp_path: Path, tiny_audio: Callable[..., Any]):
    """Rounded to 8 bits the features stay near."""
    spec, params = tiny_audio()
    waveform = hearing.sound(9000)
    wanted = np.asarray(AudioEncoder(params, spec, EXACT).encode(waveform))
    path = hearing.mmproj(
        tmp_path / "m.gguf",
        hearing.CONFIG,
        hearing.weights(hearing.CONFIG),
        gguf.GGMLQuantizationType.Q8_0,
    )
    with open_gguf(path) as file:
        rounded = load_audio(file, spec)
    size = np.abs(wanted).mean()
    far = np.abs(np.asarray(AudioEncoder(rounded, spec, EXACT).encode(waveform)) - wanted).mean()
    assert 1e-4 * size < far < 0.1 * size


def test_the_tree_is_what_was_announced():
    spec = audio_spec_from_hf(hearing.CONFIG)
    assert spec is not None
    tensors = hearing.weights(hearing.CONFIG)
    infos = jax.tree.leaves(abstract(spec), is_leaf=is_info)
    assert [info.shape for info in infos] == [leaf.shape for leaf in jax.tree.leaves(from_hf(tensors))]
    bounds = ("input_min", "input_max", "output_min", "output_max")
    assert parameters(spec) == sum(value.size for name, value in tensors.items() if not name.endswith(bounds))
