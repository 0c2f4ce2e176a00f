"""Gemma 4's tokenizer gives the ids of the `tokenizers` library, brings every text back, and trusts none."""

from __future__ import annotations

from typing import Any

import pytest
import vocabularies
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.errors import FormatError, UnsupportedModelError
from model.tokenizer import characters
from model.tokenizer.characters import CharacterTokenizer
from model.tokenizer.load import tokenizer_from_gguf
from model.tokenizer.vocabulary import Kind

tricky = st.lists(
    st.one_of(
        st.sampled_from("aBe1 \n\r\t\u00a0\u3000.<>/。中日ふ한👍"),
        st.sampled_from(
            ["the ", " of", "\n\n", "   ", "e e", "<turn|>", "<0x41>", "<0xE2>", "<bos>", '<|"|>']
        ),
        st.integers(1, 70).map("\n".__mul__),
        st.integers(1, 70).map(" ".__mul__),
        st.characters(exclude_categories=["Cs"], exclude_characters=vocabularies.SPACE),
    ),
    max_size=40,
).map("".join)


@pytest.fixture(scope="module")
def reference() -> Any:
    return vocabularies.library(vocabularies.gemma4())


@pytest.fixture(scope="module")
def tokenizer(small: Any) -> CharacterTokenizer:
    return small("characters")


def test_ids_are_those_of_the_reference(
    tokenizer: CharacterTokenizer, reference: Any, samples: dict[str, str]
) -> None:
    spoken = {name: text for name, text in samples.items() if vocabularies.SPACE not in text}
    assert len(spoken) == len(samples) - 1
    wanted = {name: reference.encode(text, add_special_tokens=False).ids for name, text in spoken.items()}
    assert {name: tokenizer.encode(text) for name, text in spoken.items()} == wanted
    whole = "\n".join(spoken.values())
    assert tokenizer.encode(whole) == reference.encode(whole, add_special_tokens=False).ids


@given(text=tricky)
@example(text="\n" * 31 + " " * 31)
@example(text="<0xE2><0x96><0x81>")
@settings(max_examples=300, deadline=None)
def test_ids_of_any_text_are_those_of_the_reference(
    text: str, tokenizer: CharacterTokenizer, reference: Any
) -> None:
    assert tokenizer.encode(text) == reference.encode(text, add_special_tokens=False).ids


@given(text=st.one_of(tricky, st.text()))
@settings(max_examples=200, deadline=None)
def test_text_comes_back(text: str, tokenizer: CharacterTokenizer) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode_bytes(ids) == text.encode()
    assert not any(map(tokenizer.is_control, ids))


@given(text=tricky)
@settings(max_examples=100, deadline=None)
def test_ids_do_not_depend_on_the_parts(text: str, tokenizer: CharacterTokenizer) -> None:
    whole = tokenizer.encode(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CharacterTokenizer, "part", 1)
        patch.setattr(CharacterTokenizer, "batch", 3)
        assert tokenizer.encode(text) == whole


def test_a_large_text_is_cut_and_gives_the_same_ids(
    tokenizer: CharacterTokenizer, samples: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(samples.values()) * 20
    parts = tokenizer.encode(text)
    monkeypatch.setattr(CharacterTokenizer, "part", len(text))
    assert tokenizer.encode(text) == parts


def test_the_space_of_pieces_is_a_character_of_its_own_in_text(tokenizer: CharacterTokenizer) -> None:
    assert [tokenizer.token_bytes(id) for id in tokenizer.encode("\u2581")] == [b"\xe2", b"\x96", b"\x81"]
    assert tokenizer.decode(tokenizer.encode("a \u2581 b")) == "a \u2581 b"


def test_a_text_that_spells_a_byte_token_is_text(tokenizer: CharacterTokenizer) -> None:
    ids = tokenizer.encode("<0x41>")
    assert tokenizer.vocabulary.ids["<0x41>"] not in ids
    assert tokenizer.decode(ids) == "<0x41>"


def test_what_no_piece_spells_becomes_its_bytes(tokenizer: CharacterTokenizer) -> None:
    assert [tokenizer.token_bytes(id) for id in tokenizer.encode("日\t")] == [
        b"\xe6",
        b"\x97",
        b"\xa5",
        b"\t",
    ]


def test_runs_of_line_breaks_are_one_token(tokenizer: CharacterTokenizer) -> None:
    ids = tokenizer.vocabulary.ids
    for count in range(1, 32):
        assert tokenizer.encode("a" + "\n" * count + "b")[1] == ids["\n" * count]


def test_a_run_of_line_breaks_is_one_token_though_no_merge_makes_it(
    small: Any, samples: dict[str, str]
) -> None:
    merges = [
        merge
        for merge in vocabularies.gemma4_metadata()["tokenizer.ggml.merges"]
        if merge.replace(" ", "") not in ("\n" * 3, "\n" * 7)
    ]
    tokenizer = tokenizer_from_gguf(vocabularies.gemma4_metadata() | {"tokenizer.ggml.merges": merges})
    ids = tokenizer.vocabulary.ids
    three, seven = ids["\n" * 3], ids["\n" * 7]
    assert tokenizer.encode("a\n\n\nb" + "\n" * 7 + "\n")[1] == three
    assert tokenizer.encode("\n" * 7) == [seven]
    assert tokenizer.encode("\n\n\n \n\n\n") == [three, ids["\u2581"], three]
    longer = tokenizer.encode("\n" * 40)
    assert tokenizer.decode(longer) == "\n" * 40
    assert three not in longer
    text = "".join(samples.values())
    assert tokenizer.decode(tokenizer.encode(text)) == text
    lines = ["a\n\n\n", "b c\n", "d\n" + "\n" * 6]
    assert sum(tokenizer.count_batch(lines)) == len(tokenizer.encode("".join(lines)))


def test_no_merge_makes_a_sign_of_text() -> None:
    metadata = vocabularies.gemma4_metadata()
    spelled = ["< turn|>", "<turn |>", "<0x4 1>", "<bo s>"]
    known = metadata["tokenizer.ggml.tokens"]
    tokens = [*known, *{"turn|>", "<turn", "|>", "<0x4", "1>", "<bo", "s>"}.difference(known)]
    changed = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [
            *metadata["tokenizer.ggml.token_type"],
            *[1] * (len(tokens) - len(known)),
        ],
        "tokenizer.ggml.merges": [*spelled, *metadata["tokenizer.ggml.merges"]],
    }
    tokenizer = tokenizer_from_gguf(metadata | changed)
    for text in ("<turn|>", "<0x41>", "<bos>"):
        ids = tokenizer.encode(text)
        assert tokenizer.vocabulary.ids[text] not in ids
        assert tokenizer.decode(ids) == text


def test_a_prompt_begins_with_bos_whatever_the_file_says(tokenizer: CharacterTokenizer) -> None:
    assert vocabularies.gemma4_metadata()["tokenizer.ggml.add_bos_token"] is False
    assert tokenizer.add_bos
    assert tokenizer.bos_id == tokenizer.vocabulary.ids["<bos>"]


def test_what_ends_an_answer(tokenizer: CharacterTokenizer) -> None:
    ids = tokenizer.vocabulary.ids
    assert tokenizer.eog_ids == {ids["<eos>"], ids["<turn|>"], ids["<|tool_response>"]}


def test_marks_of_channels_are_reserved_though_the_file_calls_them_user_defined(
    tokenizer: CharacterTokenizer,
) -> None:
    channel = tokenizer.vocabulary.ids["<|channel>"]
    assert tokenizer.vocabulary.kinds[channel] == Kind.USER_DEFINED
    assert channel not in tokenizer.encode("<|channel>")
    assert tokenizer.encode_spans([("<|channel>", True)]) == [channel]


def test_user_defined_pieces_match_in_any_text() -> None:
    metadata = vocabularies.gemma4_metadata()
    kinds, tokens = (
        [*metadata["tokenizer.ggml.token_type"], 4],
        [*metadata["tokenizer.ggml.tokens"], "<table> x"],
    )
    tokenizer = tokenizer_from_gguf(
        metadata | {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": kinds}
    )
    table = len(tokens) - 1
    assert tokenizer.encode("a<table> x\n\n")[1:] == [table, tokenizer.vocabulary.ids["\n\n"]]
    assert tokenizer.token_bytes(table) == b"<table> x"
    lines = ["a<table> x\n", "<table> x<table> x b\n", "c\n"]
    assert tokenizer.count_batch(lines) == [len(tokenizer.encode(line)) for line in lines]


def test_a_fingerprint_tells_merges_apart(small: Any) -> None:
    merges = tuple(vocabularies.gemma4_metadata()["tokenizer.ggml.merges"])
    metadata = vocabularies.gemma4_metadata()
    other = tokenizer_from_gguf(metadata | {"tokenizer.ggml.merges": [*merges[1:], merges[0]]})
    assert other.fingerprint != small("characters").fingerprint
    assert tokenizer_from_gguf(metadata).fingerprint == small("characters").fingerprint


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        (None, "no list of strings 'tokenizer.ggml.merges'"),
        (["ab"], "'ab', which is no pair"),
        (["a "], "the merges do not fit the vocabulary"),
        (["a qqq"], "('a', 'qqq'), which makes no token"),
    ],
)
def test_damaged_merges_are_named(merges: Any, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        tokenizer_from_gguf(vocabularies.gemma4_metadata() | {"tokenizer.ggml.merges": merges})
    assert message in str(caught.value)


def test_a_piece_may_begin_with_a_space() -> None:
    assert characters._pairs(["  b", "a b", "  c d"]) == [(" ", "b"), ("a", "b"), (" ", "c d")]
    assert characters._pairs(["a b", "c d"]) == [("a", "b"), ("c", "d")]


def test_without_bytes_to_fall_back_to_it_is_refused() -> None:
    metadata = vocabularies.gemma4_metadata()
    tokens = ["?" + token if token == "<0x07>" else token for token in metadata["tokenizer.ggml.tokens"]]
    with pytest.raises(UnsupportedModelError, match="<0x07>"):
        tokenizer_from_gguf(metadata | {"tokenizer.ggml.tokens": tokens})
