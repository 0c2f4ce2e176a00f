"""The kind of tokenizer is chosen by the file, and an unknown kind is named."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from model.errors import UnsupportedModelError
from model.tokenizer.bytelevel import ByteLevelTokenizer
from model.tokenizer.characters import CharacterTokenizer
from model.tokenizer.load import tokenizer_from_gguf
from model.tokenizer.spm import SentencePieceTokenizer


def test_the_file_chooses(golden: Any) -> None:
    assert isinstance(tokenizer_from_gguf(golden("small-bpe")["metadata"]), ByteLevelTokenizer)
    assert isinstance(tokenizer_from_gguf(golden("small-spm")["metadata"]), SentencePieceTokenizer)
    assert isinstance(tokenizer_from_gguf(golden("small-characters")["metadata"]), CharacterTokenizer)


@pytest.mark.parametrize("kind", ["bert", None, 7])
def test_an_unknown_kind_is_named(kind: Any) -> None:
    with pytest.raises(UnsupportedModelError, match=repr(kind)):
        tokenizer_from_gguf({"tokenizer.ggml.model": kind})


def test_tokenizers_do_without_jax() -> None:
    code = (
        "import model.tokenizer.bytelevel, model.tokenizer.characters, model.tokenizer.spm\n"
        "import model.tokenizer.hf, model.tokenizer.sandbox, model.thinking, model.formats.gguf\n"
        "import sys; sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
