"""Tokenizers and templates of folders that transformers itself wrote, against transformers."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest
import vocabularies
from vocabularies import write_folder

from model.tokenizer.hf import template_from_folder, tokenizer_from_folder

GOLDEN = Path(__file__).parents[1] / "tokenizer" / "golden"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def transformers() -> Any:
    if importlib.util.find_spec("transformers") is None:
        why = "transformers missing; the extra `parity` brings it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
    return importlib.import_module("transformers")


@pytest.fixture(scope="module")
def templates() -> dict[str, Any]:
    return json.loads((GOLDEN / "templates.json").read_text())


@pytest.fixture(scope="module")
def gemma4(transformers: Any, templates: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(transformers' tokenizer in the manner of Gemma 4, the folder that it saved itself to)"""
    described = vocabularies.gemma4()
    theirs = transformers.GemmaTokenizer(
        vocab=described["model"]["vocab"],
        merges=[tuple(pair) for pair in described["model"]["merges"]],
        extra_special_tokens=vocabularies.GEMMA4_MARKS,
        chat_template=templates["gemma4"]["source"],
    )
    folder = tmp_path_factory.mktemp("gemma4")
    theirs.save_pretrained(folder)
    return theirs, folder


def test_gemma_4s_ids_are_those_of_transformers(gemma4: Any) -> None:
    theirs, folder = gemma4
    ours = tokenizer_from_folder(folder)
    assert type(ours).__name__ == "CharacterTokenizer"
    assert (ours.bos_id, ours.eos_id) == (theirs.bos_token_id, theirs.eos_token_id)
    assert ours.vocab_size == len(theirs)
    for name, text in vocabularies.samples().items():
        if vocabularies.SPACE not in text:
            wanted = theirs.encode(text, add_special_tokens=False, split_special_tokens=True)
            assert ours.encode(text) == wanted, name
            assert ours.decode(wanted) == theirs.decode(wanted, skip_special_tokens=False) == text


def test_gemma_4s_conversations_are_those_of_transformers(gemma4: Any, templates: dict[str, Any]) -> None:
    theirs, folder = gemma4
    ours, template = tokenizer_from_folder(folder), template_from_folder(folder)
    compared = 0
    for case in templates["gemma4"]["rendered"]:
        wanted = theirs.apply_chat_template(
            case["messages"],
            tools=case["tools"],
            add_generation_prompt=case["prompt"],
            enable_thinking=case["thinking"],
            tokenize=False,
        )
        spans = template.with_thinking(case["thinking"]).spans(
            case["messages"], add_generation_prompt=case["prompt"], tools=case["tools"]
        )
        assert "".join(text for text, _ in spans) == wanted == case["text"]
        signs = json.dumps([case["messages"], case["tools"]], ensure_ascii=False)
        if not any(mark.replace('"', '\\"') in signs for mark in [*vocabularies.GEMMA4_MARKS, "<bos>"]):
            # Where no text spells a control token, trust makes no difference.
            assert ours.encode_spans(spans) == theirs.encode(wanted, add_special_tokens=False)
            compared += 1
    assert compared > 10


def test_a_sentencepiece_model_gives_the_ids_of_its_library_and_of_transformers(
    transformers: Any, tmp_path: Path
) -> None:
    model, library = vocabularies.sentencepiece()
    theirs = transformers.GemmaTokenizer.from_pretrained(
        write_folder(
            tmp_path, tokenizer_model=model, tokenizer_config_json={"tokenizer_class": "GemmaTokenizer"}
        )
    )
    saved = tmp_path / "saved"
    theirs.save_pretrained(saved)
    ours = tokenizer_from_folder(tmp_path)
    rendered = tokenizer_from_folder(saved)
    for name, text in vocabularies.samples().items():
        if vocabularies.SPACE in text:
            continue
        assert ours.encode(text) == library.encode(text), name
        # The rendering has no user-defined tokens for runs of spaces, which transformers cuts in its own way.
        if "  " not in text:
            wanted = theirs.encode(text, add_special_tokens=False, split_special_tokens=True)
            assert rendered.encode(text) == wanted, name


def test_byte_level_ids_are_those_of_transformers(transformers: Any, tmp_path: Path) -> None:
    metadata = json.loads((GOLDEN / "small-bpe.json").read_text())["metadata"]
    words = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    cutter = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, words]}
    write_folder(tmp_path, tokenizer_json=vocabularies.words(metadata, cutter))
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "tokenizer.json"), bos_token="<|im_start|>", eos_token="<|im_end|>"
    )
    saved = tmp_path / "saved"
    theirs.save_pretrained(saved)
    ours = tokenizer_from_folder(saved)
    assert (ours.bos_id, ours.eos_id, ours.add_bos) == (theirs.bos_token_id, theirs.eos_token_id, False)
    for name, text in vocabularies.samples().items():
        wanted = theirs.encode(text, add_special_tokens=False, split_special_tokens=True)
        assert ours.encode(text) == wanted, name
