"""Prompts of an exact length from real text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tiny

from gemcli.bench import text
from gemcli.bench.text import prompt, read_text, standing_text
from gemcli.errors import GemcliError, InputError, UsageError
from model.tokenizer.base import Tokenizer
from model.tokenizer.load import tokenizer_from_gguf


@pytest.fixture(scope="module")
def bytewise() -> Tokenizer:
    return tokenizer_from_gguf(tiny.byte_tokenizer())


def test_every_python_carries_a_long_text() -> None:
    standing = standing_text()
    assert len(standing) > 300_000
    assert standing.count(" the ") > 1000
    assert standing == standing_text()


def test_a_python_stripped_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(GemcliError) as raised:
        standing_text()
    assert "--text" in (raised.value.hint or "")


@pytest.mark.parametrize("tokens", [1, 2, 100, 2048])
def test_a_prompt_has_exactly_the_tokens_asked_for(bytewise: Tokenizer, tokens: int) -> None:
    ids = prompt(bytewise, standing_text(), tokens)
    assert len(ids) == tokens
    assert standing_text().startswith(bytewise.decode(ids[: tokens - 4]))


def test_it_begins_as_the_model_expects() -> None:
    metadata = tiny.byte_tokenizer() | {"tokenizer.ggml.add_bos_token": True}
    assert prompt(tokenizer_from_gguf(metadata), "hello", 3) == [tiny.START, *b"he"]


def test_a_text_that_is_just_long_enough_and_one_that_is_not(bytewise: Tokenizer) -> None:
    assert prompt(bytewise, "hello", 5) == [*b"hello"]
    with pytest.raises(UsageError, match="5 tokens, and the prompt is to have 6"):
        prompt(bytewise, "hello", 6)


def test_a_text_of_long_tokens_is_read_on(bytewise: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LIKELY", 1)
    spaces = " " * 200
    assert len(prompt(bytewise, spaces, 100)) == 100, "two a token"


def test_files(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_bytes("\ufeffüber".encode())
    bad.write_bytes(b"ab\xff")
    assert read_text(good) == "über"
    with pytest.raises(InputError, match=r"bad\.txt is not UTF-8 text \(byte 2\)"):
        read_text(bad)
    with pytest.raises(InputError, match=r"cannot read .*none\.txt: No such file"):
        read_text(tmp_path / "none.txt")
