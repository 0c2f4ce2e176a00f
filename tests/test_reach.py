"""A model is made to read beyond its training by its global layers alone, and only where it is asked to."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.config import AttentionSpec, ModelConfig, RopeSpec, SparseSpec
from model.decoder.decoder import Decoder
from model.engine import plan
from model.engine.engine import Engine
from model.nn.linear import Numerics
from model.nn.rope import rope_table
from model.reach import LONGEST, beyond, is_sparse, longest, method, reaching


def with_choice(config: ModelConfig, **changes: int) -> ModelConfig:
    """The config with other numbers in the place of those that its sparse layers have."""

    def changed(mixer: AttentionSpec) -> AttentionSpec:
        return mixer if mixer.sparse is None else replace(mixer, sparse=replace(mixer.sparse, **changes))

    layers = tuple(replace(spec, mixer=changed(tiny.attention_of(spec))) for spec in config.layers)
    return replace(config, layers=layers)


def test_auto_leaves_alone_what_was_trained() -> None:
    config = tiny.gemma()
    assert method(config, "auto", config.context) == "dense"
    assert method(config, "auto", config.context + 1) != "dense"
    assert reaching(config, "auto", config.context) is config
    assert method(config, "extended", 1) == "extended"


def test_longest() -> None:
    assert longest(tiny.gemma()) == LONGEST
    assert longest(replace(tiny.gemma(), context=2 * LONGEST)) == 2 * LONGEST


@pytest.mark.parametrize("mode", ["extended", "sparse"])
def test_sliding_layers_are_left_alone(mode: str) -> None:
    config = tiny.gemma()
    reached = reaching(config, mode, 4 * config.context)  # type: ignore[arg-type]
    assert is_sparse(reached) is (mode == "sparse")
    for before, after in zip(config.layers, reached.layers, strict=True):
        assert (before == after) is (tiny.attention_of(before).window is not None)


def test_the_message_has_both_lengths() -> None:
    said = beyond("tiny", tiny.gemma(), "sparse", 4096)
    assert said == (
        "tiny was trained on 256 tokens; up to 4,096 are read with sparse attention, "
        "`gemcli bench needle -m tiny --attention sparse --lengths 4096` measures it on this machine"
    )
    assert "attention, which found 3 of 3 pass keys at 4,096; `gemcli" in beyond(
        "tiny", tiny.gemma(), "sparse", 4096, "3 of 3 pass keys at 4,096"
    )


@pytest.mark.slow
def test_stretched_as_transformers_does() -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaling = {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 32_768,
        "rope_theta": 1e6,
    }
    told = LlamaConfig(
        hidden_size=1024, num_attention_heads=4, max_position_embeddings=131_072, rope_parameters=scaling
    )
    frequencies, temperature = ROPE_INIT_FUNCTIONS["yarn"](told, "cpu")
    table = rope_table(RopeSpec(1e6, stretch=4.0, trained=32_768), 256, 2048)
    cos, sin = table.angles(jnp.array([1]))
    want = frequencies.numpy()
    np.testing.assert_allclose(np.arctan2(sin[0], cos[0]), want, rtol=1e-5)
    spec = tiny.attention_of(reaching(replace(tiny.llama(), context=32_768), "extended", 131_072).layers[0])
    assert spec.query_scale == pytest.approx(8**-0.5 * temperature**2)


def test_a_stretched_table_is_exact_at_a_million() -> None:
    spec = RopeSpec(1e6, stretch=32.0, trained=32_768)
    far = np.array([LONGEST - 1, 777_777])
    cos, _ = rope_table(spec, 64, LONGEST).angles(jnp.asarray(far))
    one = rope_table(spec, 64, 1024)
    step = np.arctan2(np.float64(one.low[1, 1]), np.float64(one.low[1, 0]))
    slow = step < 1e-3  # there f32 holds the angle of one position to a part in 10^7
    assert slow.any()
    np.testing.assert_allclose(cos[:, slow], np.cos(far[:, None] * step[slow]), atol=2e-4)


def answers(config: ModelConfig, ids: list[int], cuts: list[int]) -> np.ndarray:
    """Logits after a prompt that is taken in parts of these lengths."""
    params = tiny.random_params(config)
    engine = Engine(Decoder(config, Numerics(integer_rows=0)), params, window=512, cache_bits=32)
    state, done = engine.new_state(len(ids)), 0
    for cut in cuts:
        logits, state = engine.prefill(ids[done : done + cut], state)
        done += cut
    return np.asarray(logits)


def test_what_fits_is_read_as_it_was_trained() -> None:
    """Sparse attention of a text that it can read as a whole is dense, however the text is cut."""
    config, ids = tiny.gemma(6), list(tiny.random_ids(97))
    sparse = with_choice(reaching(config, "sparse", 512), near=16, page=8, pages=12, queries=16)
    want = answers(config, ids, [97])
    np.testing.assert_allclose(answers(sparse, ids, [64, 32, 1]), want, atol=2e-4)


def test_less_is_read_of_what_does_not_fit() -> None:
    config, ids = tiny.qwen(), list(tiny.random_ids(96))
    sparse = with_choice(reaching(config, "sparse", 512), near=16, page=8, pages=2, queries=16)
    assert not np.allclose(answers(sparse, ids, [96]), answers(config, ids, [96]), atol=1e-3)


def test_the_usual_choice_is_whole_pages_within_a_chunk() -> None:
    usual = SparseSpec()
    assert plan.LARGEST % usual.queries == 0
    assert usual.pages * usual.page + usual.near < 8192
