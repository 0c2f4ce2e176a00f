"""GGUF metadata to a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.errors import UnsupportedModelError
from model.tokenizer.shared import VocabularyTokenizer


def tokenizer_from_gguf(metadata: Mapping[str, Any]) -> VocabularyTokenizer:
    """Builds the tokenizer that a GGUF file describes.

    Raises:
        UnsupportedModelError: a kind of tokenizer, or a pre-tokenizer, that is not known here.
        FormatError: the vocabulary is damaged.
    """
    kind = metadata.get("tokenizer.ggml.model")
    if kind == "gpt2":
        from model.tokenizer.bytelevel import byte_level_from_gguf

        return byte_level_from_gguf(metadata)
    if kind == "llama":
        from model.tokenizer.spm import sentencepiece_from_gguf

        return sentencepiece_from_gguf(metadata)
    if kind == "gemma4":
        from model.tokenizer.characters import characters_from_gguf

        return characters_from_gguf(metadata)
    raise UnsupportedModelError(
        f"the tokenizer {kind!r} is not known here (known: 'gpt2', 'llama', 'gemma4')"
    )
