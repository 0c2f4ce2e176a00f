"""Small vocabularies, trained by golden/make.py, and the texts on which the references were asked."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import vocabularies

from model.tokenizer.load import tokenizer_from_gguf
from model.tokenizer.shared import VocabularyTokenizer

GOLDEN = Path(__file__).parent / "golden"


@cache
def read(name: str) -> dict[str, Any]:
    if name == "small-characters":
        return {"metadata": vocabularies.gemma4_metadata()}
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def samples() -> dict[str, str]:
    """Name → text."""
    return runpy.run_path(str(GOLDEN / "samples.py"))["SAMPLES"]


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, Any]]:
    """`golden("small-bpe")`: what golden/make.py wrote, {"metadata", "ids"} for the small ones."""
    return read


@pytest.fixture(scope="session")
def small() -> Callable[..., VocabularyTokenizer]:
    """`small("bpe", **changes)`: a tokenizer over a small vocabulary; changes of `tokenizer.ggml.…`."""

    @cache
    def build(name: str, **changes: Any) -> VocabularyTokenizer:
        changed = {f"tokenizer.ggml.{key}": value for key, value in changes.items()}
        tokenizer = tokenizer_from_gguf({**read(f"small-{name}")["metadata"], **changed})
        assert isinstance(tokenizer, VocabularyTokenizer)
        return tokenizer

    return build


@pytest.fixture(scope="session", params=["bpe", "spm", "spm-prefix", "characters"])
def tokenizer(
    request: pytest.FixtureRequest, small: Callable[..., VocabularyTokenizer]
) -> VocabularyTokenizer:
    """Each of the small tokenizers in turn."""
    return small(request.param)
