"""SentencePiece models rebuilt from GGUF give the ids of the models they came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import FormatError, UnsupportedModelError
from model.formats.gguf import open_gguf
from model.tokenizer.load import tokenizer_from_gguf
from model.tokenizer.spm import SentencePieceTokenizer
from model.tokenizer.vocabulary import Kind

NAMES = ("spm", "spm-prefix")

tricky = st.lists(
    st.one_of(
        st.sampled_from("aBe1 \n\r\t\u00a0\u3000\u2581.<>/。中ふ한👍"),
        st.sampled_from(["the ", "<table>", "\n\n", "  ", "e e"]),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
).map("".join)


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_those_of_the_original_model(
    name: str, small: Any, golden: Any, samples: dict[str, str]
) -> None:
    wanted = golden(f"small-{name}")["ids"]
    assert {sample: small(name).encode(samples[sample]) for sample in wanted} == wanted
    assert len(wanted) == len(samples) - 1  # all but the one with U+2581


@pytest.mark.parametrize("name", NAMES)
@given(text=tricky)
@settings(max_examples=150, deadline=None)
def test_text_comes_back(name: str, text: str, small: Any) -> None:
    tokenizer = small(name)
    ids = tokenizer.encode(text)
    assert tokenizer.decode_bytes(ids) == text.encode()
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("name", NAMES)
@given(text=tricky)
@settings(max_examples=100, deadline=None)
def test_ids_do_not_depend_on_the_parts(name: str, text: str, small: Any) -> None:
    tokenizer = small(name)
    whole = tokenizer.encode(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SentencePieceTokenizer, "part", 1)
        patch.setattr(SentencePieceTokenizer, "batch", 3)
        assert tokenizer.encode(text) == whole


def test_a_large_text_is_cut_and_gives_the_same_ids(
    small: Any, samples: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(samples.values()) * 20
    parts = small("spm").encode(text)
    monkeypatch.setattr(SentencePieceTokenizer, "part", len(text))
    assert small("spm").encode(text) == parts


def test_the_space_of_pieces_is_a_character_of_its_own_in_text(small: Any) -> None:
    tokenizer = small("spm")
    assert [tokenizer.token_bytes(id) for id in tokenizer.encode("\u2581")] == [b"\xe2", b"\x96", b"\x81"]
    assert tokenizer.decode(tokenizer.encode("a \u2581 b")) == "a \u2581 b"


def test_user_defined_pieces_match_in_any_text(small: Any) -> None:
    tokenizer = small("spm")
    ids = tokenizer.vocabulary.ids
    assert tokenizer.encode("<table>\n\n\t") == [ids["<table>"], ids["\n\n"], ids["\t"]]
    assert tokenizer.encode("x   y")[1:2] == [ids["   "]]
    assert tokenizer.token_bytes(ids["   "]) == b"   "


def test_html_that_looks_like_an_end_of_sequence_is_text(small: Any) -> None:
    tokenizer = small("spm")
    strike = tokenizer.vocabulary.ids["</s>"]
    assert tokenizer.encode("</s>") == [strike]
    assert strike not in tokenizer.eog_ids
    assert tokenizer.token_bytes(strike) == b"</s>"


def test_a_space_goes_before_text_where_the_model_wants_one(small: Any) -> None:
    tokenizer = small("spm-prefix")
    ids = tokenizer.encode("the")
    assert b"".join(map(tokenizer.token_bytes, ids)) == b" the"
    assert tokenizer.decode(ids) == "the"
    assert tokenizer.encode("") == []
    bos = tokenizer.bos_id
    marked = tokenizer.encode_spans([("<s>the", True)])
    assert marked == [bos, *ids]
    assert tokenizer.decode(marked) == "the"


def test_user_defined_framing_is_reserved() -> None:
    metadata = bare(
        tokens=[*TOKENS, "<start_of_image>"], token_type=[*KINDS, 4], scores=[0.0] * (len(TOKENS) + 1)
    )
    tokenizer = tokenizer_from_gguf(metadata)
    image = len(TOKENS)
    assert image not in tokenizer.encode("<start_of_image>")
    assert tokenizer.encode_spans([("<start_of_image>", True)]) == [image]
    assert tokenizer.token_bytes(image) == b"<start_of_image>"


TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "a", "b", "ab"]
KINDS = [Kind.UNKNOWN, Kind.CONTROL, Kind.CONTROL, *[Kind.BYTE] * 256, Kind.NORMAL, Kind.NORMAL, Kind.NORMAL]


def bare(**changes: Any) -> dict[str, Any]:
    metadata = {
        "model": "llama",
        "tokens": TOKENS,
        "token_type": list(map(int, KINDS)),
        "scores": [0.0] * (len(TOKENS) - 1) + [1.0],
        "add_space_prefix": False,
        **changes,
    }
    return {f"tokenizer.ggml.{key}": value for key, value in metadata.items() if value is not None}


def test_bos_and_eos_are_assumed_as_in_the_reference() -> None:
    tokenizer = tokenizer_from_gguf(bare())
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.add_bos) == (1, 2, True)
    assert tokenizer.eog_ids == {2}
    assert tokenizer.encode("abc") == [261, 3 + ord("c")]


def test_pieces_may_be_long_or_empty() -> None:
    tokens = [*TOKENS, "x" * 300, ""]
    tokenizer = tokenizer_from_gguf(
        bare(tokens=tokens, token_type=[*map(int, KINDS), 4, 1], scores=[0.0] * len(tokens))
    )
    assert tokenizer.encode("x" * 300) == [len(TOKENS)]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"scores": None}, FormatError, "scores is not a list of 262"),
        ({"scores": [0.0]}, FormatError, "scores is not a list of 262"),
        ({"scores": ["x"] * len(TOKENS)}, FormatError, "cannot be used"),
        ({"tokens": [*TOKENS[:-1], "<0xZZ>"], "token_type": [*KINDS[:-1], 6]}, FormatError, "cannot be used"),
        ({"tokens": ["<pad>", *TOKENS[1:20], "x", *TOKENS[21:]]}, UnsupportedModelError, "'<0x11>'"),
    ],
)
def test_damage_is_named(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        tokenizer_from_gguf(bare(**changes))
    assert message in str(caught.value)


@pytest.mark.weights
def test_gemma_gives_the_references_ids(
    weights: Callable[[str], Any], golden: Any, samples: dict[str, str]
) -> None:
    with open_gguf(weights("gemma-3-270m")) as file:
        tokenizer = tokenizer_from_gguf(file.metadata)
    wanted = golden("real")["gemma-3-270m"]
    assert {sample: tokenizer.encode(samples[sample]) for sample in wanted} == wanted
    for text in samples.values():
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.add_bos) == (2, 1, True)
    assert tokenizer.eog_ids == {1, 106}
