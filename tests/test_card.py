"""A model file is described from its header alone, without jax; what is no model is refused by name."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import seeing
import tiny

from model.card import describe
from model.errors import FormatError, ModelError, UnsupportedModelError


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_parrot(tmp_path_factory.mktemp("card") / "parrot.gguf", [*b"hi", tiny.END])


def test_the_card(parrot: Path) -> None:
    card = describe(parrot)
    assert card.path == parrot
    assert replace(card.config, norm_eps=1e-5) == tiny.parrot_config()
    assert card.config.norm_eps == np.float32(1e-5)
    assert card.architecture == "llama"
    assert card.window == 512
    assert card.parameters == tiny.parrot_config().parameters
    assert card.quantization == "Q8_0"
    assert not card.is_base
    assert card.tokenizer.encode("hi") == list(b"hi")
    assert card.tokenizer.eog_ids == {tiny.END}
    spans = card.template.spans([{"role": "user", "content": "hi"}])
    assert card.tokenizer.encode_spans(spans) == [tiny.START, *b"hi", tiny.END, tiny.START]


def test_factors_of_frequencies_must_be_those_of_the_architecture(tmp_path: Path) -> None:
    config = tiny.gemma4(vocab=tiny.PARROT_VOCAB)
    tensors = tiny.tensors_of(config, tiny.random_params(config))
    metadata = tiny.metadata_of(config) | tiny.byte_tokenizer()
    right = tiny.write_gguf(tmp_path / "right.gguf", metadata, tensors)
    assert replace(describe(right).config, norm_eps=1e-6) == config
    factors = np.full(8, 2.0, np.float32)
    wrong = tiny.write_gguf(tmp_path / "wrong.gguf", metadata, tensors | {"rope_freqs.weight": factors})
    with pytest.raises(UnsupportedModelError, match=r"wrong\.gguf: rope_freqs\.weight"):
        describe(wrong)


def test_the_weights_bytes_are_those_of_the_tensors(parrot: Path) -> None:
    reader = gguf.GGUFReader(parrot)
    assert describe(parrot).weights_bytes == sum(int(tensor.n_bytes) for tensor in reader.tensors)


def test_no_jax_and_no_weights(parrot: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from model.load import describe\n"
        "card = describe(Path(sys.argv[1]))\n"
        "assert (card.window, card.kv_bytes_per_token()) == (512, 128)\n"
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(parrot)], check=False).returncode == 0


def made(path: Path, config: Any, **metadata: Any) -> Path:
    """A file with a configuration's header; a value of None leaves its key out."""
    keys = tiny.metadata_of(config) | tiny.byte_tokenizer()
    keys |= {key.replace("__", "."): value for key, value in metadata.items()}
    tensors = tiny.tensors_of(config, tiny.random_params(config))
    return tiny.write_gguf(path, {key: value for key, value in keys.items() if value is not None}, tensors)


def test_a_base_model_continues_text(tmp_path: Path) -> None:
    card = describe(made(tmp_path / "m.gguf", tiny.gemma(7, vocab=tiny.PARROT_VOCAB)))
    assert card.is_base
    assert card.quantization == "mixed"
    assert card.architecture == "gemma3"
    spans = card.template.spans([{"role": "user", "content": "One"}, {"role": "user", "content": "Two"}])
    assert "".join(text for text, _ in spans) == "One\n\nTwo"


@pytest.mark.parametrize(("bits", "row"), [(16, 16 * 2), (32, 16 * 4), (8, 16 + 4)])
def test_bytes_of_one_more_token(tmp_path: Path, bits: int, row: int) -> None:
    """Of the global layers alone: the rings are full by then.  A row of 8 bits has its scale beside it."""
    card = describe(made(tmp_path / "m.gguf", tiny.gemma(7, vocab=tiny.PARROT_VOCAB)))
    assert card.kv_bytes_per_token(bits) == 1 * 2 * 2 * row


def test_a_vocabulary_that_does_not_fit_the_embedding(tmp_path: Path) -> None:
    path = made(tmp_path / "m.gguf", tiny.llama(adjacent_pairs=True))  # 97 rows
    with pytest.raises(FormatError, match=r"259 tokens.* 97 rows") as caught:
        describe(path)
    assert str(path) in str(caught.value)


def test_an_unknown_architecture(tmp_path: Path) -> None:
    config = replace(tiny.llama(), architecture="mamba", vocab=tiny.PARROT_VOCAB)
    path = made(tmp_path / "m.gguf", config)
    with pytest.raises(UnsupportedModelError, match="'mamba' is not supported") as caught:
        describe(path)
    assert str(path) in str(caught.value)


def test_an_unknown_tokenizer(tmp_path: Path) -> None:
    path = made(tmp_path / "m.gguf", tiny.qwen(vocab=tiny.PARROT_VOCAB), tokenizer__ggml__model="bert")
    with pytest.raises(UnsupportedModelError, match="bert") as caught:
        describe(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        {"qwen2__block_count": None},
        {"qwen2__attention__head_count_kv": 3},
        {"tokenizer__ggml__tokens": None},
        {"tokenizer__ggml__eos_token_id": 5000},
        {"tokenizer__chat_template": 7},
    ],
    ids=str,
)
def test_damaged_metadata(tmp_path: Path, damage: dict[str, Any]) -> None:
    path = made(tmp_path / "m.gguf", tiny.qwen(vocab=tiny.PARROT_VOCAB), **damage)
    with pytest.raises(FormatError) as caught:
        describe(path)
    assert str(path) in str(caught.value)


def test_an_odd_file_type_is_only_a_name(tmp_path: Path) -> None:
    path = made(tmp_path / "m.gguf", tiny.qwen(vocab=tiny.PARROT_VOCAB), general__file_type=[1, 2])
    assert describe(path).quantization == "mixed"


@pytest.mark.parametrize("size", [0, 3, 24, 500, 5000])
def test_a_file_cut_short(parrot: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(parrot.read_bytes()[:size])
    with pytest.raises(FormatError, match=r"cut\.gguf"):
        describe(path)


def test_a_file_that_is_missing_or_no_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        describe(tmp_path / "missing.gguf")
    (tmp_path / "text.gguf").write_text("Once upon a time there was no model in this file.\n" * 9)
    with pytest.raises(FormatError, match=r"text\.gguf"):
        describe(tmp_path / "text.gguf")


def test_a_template_that_is_no_template_is_said_when_it_is_used(tmp_path: Path) -> None:
    path = made(tmp_path / "m.gguf", tiny.qwen(vocab=tiny.PARROT_VOCAB), tokenizer__chat_template="{% for %}")
    with pytest.raises(ModelError):
        describe(path).template.spans([{"role": "user", "content": "hi"}])


def test_the_tiny_file_is_what_the_reference_reader_sees(parrot: Path) -> None:
    """The helper writes real files: llama.cpp's own reader finds the same tensors."""
    reader = gguf.GGUFReader(parrot)
    names = {tensor.name for tensor in reader.tensors}
    assert {"token_embd.weight", "output.weight", "blk.0.attn_q.weight"} <= names
    (embed,) = (tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
    np.testing.assert_allclose(
        gguf.dequantize(embed.data, embed.tensor_type), np.eye(tiny.PARROT_VOCAB, 288), atol=1e-3
    )


def test_an_mmproj_that_we_do_not_run_leaves_the_text(parrot: Path, tmp_path: Path) -> None:
    model = tmp_path / "parrot.gguf"
    model.write_bytes(parrot.read_bytes())
    assert describe(model).unread is None
    beside = seeing.write(
        tmp_path / "mmproj.gguf",
        seeing.mmproj_metadata("gemma3") | {"clip.projector_type": "zorgon"},
        {"v.a": np.zeros((2, 2), np.float32)},
    )
    card = describe(model)
    assert (card.senses, card.encoders) == (frozenset(), None)
    assert "'zorgon' is not supported" in (card.unread or "")
    assert str(beside) in (card.unread or "")
    with pytest.raises(UnsupportedModelError, match="zorgon"):
        describe(model, beside)
