"""A folder's tokenizer gives the ids of the library that wrote it, whichever of its files say what it is."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import vocabularies
from hypothesis import given, settings
from hypothesis import strategies as st
from vocabularies import write_folder

from model.errors import FormatError, UnsupportedModelError
from model.formats.gguf import open_gguf
from model.tokenizer.bytelevel import ByteLevelTokenizer
from model.tokenizer.characters import CharacterTokenizer
from model.tokenizer.hf import tokenizer_from_folder
from model.tokenizer.load import tokenizer_from_gguf
from model.tokenizer.pretokenizers import FAMILIES
from model.tokenizer.shared import VocabularyTokenizer
from model.tokenizer.spm import SentencePieceTokenizer
from model.tokenizer.vocabulary import Kind

ONE_OF_EACH_FAMILY = ("gpt-2", "smollm", "qwen2", "qwen35", "llama-bpe", "smaug-bpe", "tekken", "gpt-4o")
GEMMA_SETTINGS = {
    "bos_token": "<bos>",
    "eos_token": {"content": "<eos>", "special": True},
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "add_bos_token": True,
}

tricky = st.lists(
    st.one_of(
        st.sampled_from("aBé1٣ \n\r\t\u3000'’.<>/。中ふ한👍"),
        st.sampled_from(["the ", "   ", "\n\n", "<|im_end|>", "<tool_call>", "<bos>", "<table>", "<0x41>"]),
        st.characters(exclude_categories=["Cs"], exclude_characters=vocabularies.SPACE),
    ),
    max_size=40,
).map("".join)


def cutter_of(pre: str) -> dict[str, Any]:
    """How tokenizer.json of a family's models spells its pre-tokenizer."""
    family = FAMILIES[pre]
    words = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    if family.pattern is None:
        digits = {"type": "Digits", "individual_digits": True}
        return {"type": "Sequence", "pretokenizers": [digits, words]} if family.digits else words
    split = {
        "type": "Split",
        "pattern": {"Regex": family.pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    return {"type": "Sequence", "pretokenizers": [split, words | {"use_regex": False}]}


def byte_level(golden: Any, pre: str = "qwen2") -> dict[str, Any]:
    return vocabularies.words(
        golden("small-bpe")["metadata"], cutter_of(pre), whole_words=FAMILIES[pre].whole_words
    )


@pytest.mark.parametrize("pre", ONE_OF_EACH_FAMILY)
def test_byte_level_families_are_known_by_how_they_cut(
    pre: str, golden: Any, samples: dict[str, str], tmp_path: Path
) -> None:
    described = byte_level(golden, pre)
    tokenizer = tokenizer_from_folder(write_folder(tmp_path, tokenizer_json=described))
    assert isinstance(tokenizer, ByteLevelTokenizer)
    ids = {name: tokenizer.encode(text) for name, text in samples.items()}
    assert ids == golden("small-bpe")["ids"][pre]
    reference = vocabularies.library(described)
    assert ids == {
        name: reference.encode(text, add_special_tokens=False).ids for name, text in samples.items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`folder(tokenizer_json={…}, …)`: a folder with these files."""
    return lambda **files: write_folder(tmp_path_factory.mktemp("checkpoint"), **files)


@pytest.fixture(scope="module")
def gemma4(folder: Callable[..., Path]) -> VocabularyTokenizer:
    return tokenizer_from_folder(
        folder(tokenizer_json=vocabularies.gemma4(), tokenizer_config_json=GEMMA_SETTINGS)
    )


@pytest.fixture(scope="module")
def gemma3(folder: Callable[..., Path]) -> VocabularyTokenizer:
    """Of a tokenizer.json alone, which renders a SentencePiece model."""
    return tokenizer_from_folder(
        folder(tokenizer_json=vocabularies.gemma3(), tokenizer_config_json=GEMMA_SETTINGS)
    )


@pytest.fixture(scope="module")
def sentencepiece(folder: Callable[..., Path]) -> VocabularyTokenizer:
    """Of a tokenizer.model alone."""
    return tokenizer_from_folder(
        folder(tokenizer_model=vocabularies.sentencepiece()[0], tokenizer_config_json=GEMMA_SETTINGS)
    )


def test_gemma_4_is_the_same_from_a_folder_and_from_a_gguf(
    gemma4: VocabularyTokenizer, small: Any, samples: dict[str, str]
) -> None:
    other = small("characters")
    assert isinstance(gemma4, CharacterTokenizer)
    assert (gemma4.bos_id, gemma4.eos_id, gemma4.eog_ids) == (other.bos_id, other.eos_id, other.eog_ids)
    assert gemma4.vocabulary.pieces == other.vocabulary.pieces
    assert gemma4.vocabulary.reserved == other.vocabulary.reserved
    for text in samples.values():
        assert gemma4.encode(text) == other.encode(text)
    assert gemma4.add_bos


@given(text=tricky)
@settings(max_examples=200, deadline=None)
def test_sentencepiece_gives_its_own_ids(
    text: str, sentencepiece: VocabularyTokenizer, gemma3: VocabularyTokenizer
) -> None:
    wanted = vocabularies.sentencepiece()[1].encode(text)
    assert sentencepiece.encode(text) == wanted
    assert gemma3.encode(text) == wanted


def test_sentencepiece_gives_its_own_ids_of_the_samples(
    sentencepiece: VocabularyTokenizer, gemma3: VocabularyTokenizer, samples: dict[str, str]
) -> None:
    assert isinstance(sentencepiece, SentencePieceTokenizer)
    assert isinstance(gemma3, SentencePieceTokenizer)
    spoken = {name: text for name, text in samples.items() if vocabularies.SPACE not in text}
    wanted = {name: vocabularies.sentencepiece()[1].encode(text) for name, text in spoken.items()}
    assert {name: sentencepiece.encode(text) for name, text in spoken.items()} == wanted
    assert {name: gemma3.encode(text) for name, text in spoken.items()} == wanted


def test_tokens_that_only_tokenizer_json_has_are_added_to_a_sentencepiece_model(
    folder: Callable[..., Path], gemma3: VocabularyTokenizer
) -> None:
    both = tokenizer_from_folder(
        folder(
            tokenizer_model=vocabularies.sentencepiece()[0],
            tokenizer_json=vocabularies.gemma3(),
            tokenizer_config_json=GEMMA_SETTINGS,
        )
    )
    image = both.id_of("<image_soft_token>")
    assert image == both.vocab_size - 1 == gemma3.id_of("<image_soft_token>")
    assert both.encode_spans([("<image_soft_token>", True)]) == [image]
    assert image not in both.encode("<image_soft_token>")
    assert both.vocabulary.kinds == gemma3.vocabulary.kinds
    assert (both.bos_id, both.eos_id, both.add_bos) == (gemma3.bos_id, gemma3.eos_id, True) == (2, 1, True)


def test_the_kinds_of_tokens(gemma3: VocabularyTokenizer, gemma4: VocabularyTokenizer) -> None:
    for tokenizer in (gemma3, gemma4):
        ids, kinds = tokenizer.vocabulary.ids, tokenizer.vocabulary.kinds
        assert {kinds[ids[piece]] for piece in ("<bos>", "<eos>", "<pad>")} == {Kind.CONTROL}
        assert kinds[ids["<unk>"]] == Kind.UNKNOWN
        assert {kinds[ids[piece]] for piece in vocabularies.BYTES} == {Kind.BYTE}
    assert gemma3.vocabulary.kinds[gemma3.vocabulary.ids["<table>"]] == Kind.USER_DEFINED
    assert gemma3.vocabulary.ids["<end_of_turn>"] in gemma3.eog_ids


@pytest.mark.parametrize("both", [False, True])
def test_a_tab_that_has_the_id_of_its_byte(both: bool, folder: Callable[..., Path]) -> None:
    described = copy.deepcopy(vocabularies.gemma3())
    vocab = described["model"]["vocab"]
    own = [each for each in described["added_tokens"] if each["content"] != "\t"]
    byte = vocab["<0x09>"]
    vocab[vocabularies.SPACE * 9] = vocab["\t"]  # no id may be left without a token
    vocab["\t"] = byte
    if not both:
        del vocab["<0x09>"]
    tokenizer = tokenizer_from_folder(folder(tokenizer_json=described | {"added_tokens": own}))
    assert tokenizer.encode("a\tb")[1] == byte
    assert tokenizer.decode(tokenizer.encode("\ta\t\tb")) == "\ta\t\tb"


def test_merges_may_be_pairs_or_texts(folder: Callable[..., Path], gemma4: VocabularyTokenizer) -> None:
    described = copy.deepcopy(vocabularies.gemma4())
    described["model"]["merges"] = [" ".join(pair) for pair in described["model"]["merges"]]
    made = tokenizer_from_folder(folder(tokenizer_json=described, tokenizer_config_json=GEMMA_SETTINGS))
    assert made.fingerprint == gemma4.fingerprint


# what the configurations add


def test_all_that_ends_an_answer_is_found(golden: Any, folder: Callable[..., Path]) -> None:
    tokenizer = tokenizer_from_folder(
        folder(
            tokenizer_json=byte_level(golden),
            tokenizer_config_json={"eos_token": "<|im_end|>", "bos_token": None},
            generation_config_json={
                "eos_token_id": [900, 903],
                "bos_token_id": 3,
                "suppress_tokens": [9, 11],
            },
            config_json={"eos_token_id": 904, "text_config": {"eos_token_id": [905]}},
        )
    )
    ids = tokenizer.vocabulary.ids
    assert tokenizer.eos_id == ids["<|im_end|>"]
    assert tokenizer.bos_id is None, "the settings say that there is none"
    assert tokenizer.eog_ids == {900, 903, 904, 905, ids["<|im_end|>"]}
    assert all(map(tokenizer.is_control, tokenizer.eog_ids))
    assert tokenizer.suppress_ids == {9, 11}


def test_ids_of_the_configurations_count_where_there_are_no_settings(
    golden: Any, folder: Callable[..., Path]
) -> None:
    described = byte_level(golden)
    tokenizer = tokenizer_from_folder(
        folder(tokenizer_json=described, config_json={"bos_token_id": 900, "eos_token_id": 902})
    )
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.add_bos) == (900, 902, False)


def test_the_settings_or_the_post_processor_say_whether_a_prompt_begins_with_bos(
    golden: Any, folder: Callable[..., Path]
) -> None:
    bos = {"bos_token": "<|endoftext|>"}
    adds = {
        "type": "Sequence",
        "processors": [
            {"type": "ByteLevel"},
            {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<|endoftext|>"}}, {"Sequence": {"id": "A"}}],
            },
        ],
    }
    for processor, said, expected in (
        (None, {}, False),
        (adds, {}, True),
        (adds, {"add_bos_token": False}, False),
        (None, {"add_bos_token": True}, True),
        ({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}]}, {}, False),
    ):
        described = byte_level(golden) | {"post_processor": processor}
        made = tokenizer_from_folder(folder(tokenizer_json=described, tokenizer_config_json=bos | said))
        assert made.add_bos is expected


def test_tokens_of_the_settings_are_added_too(golden: Any, folder: Callable[..., Path]) -> None:
    described = byte_level(golden)
    size = len(described["model"]["vocab"])
    later = {
        str(size): {"content": "<|later|>", "special": True},
        str(size + 1): {"content": "plain", "special": False},
    }
    tokenizer = tokenizer_from_folder(
        folder(tokenizer_json=described, tokenizer_config_json={"added_tokens_decoder": later})
    )
    assert tokenizer.is_control(size)
    assert tokenizer.encode("a plain b")[2] == size + 1


def test_added_tokens_beside_a_sentencepiece_model(folder: Callable[..., Path]) -> None:
    size = vocabularies.sentencepiece()[1].get_piece_size()
    tokenizer = tokenizer_from_folder(
        folder(
            tokenizer_model=vocabularies.sentencepiece()[0],
            added_tokens_json={"<new>": size, "<extra>": size + 1},
            special_tokens_map_json={"bos_token": "<bos>", "pad_token": "<extra>"},
        )
    )
    assert tokenizer.encode("<new>") == [size]
    assert tokenizer.is_control(size + 1)


def test_the_embedding_may_have_more_rows(golden: Any, folder: Callable[..., Path]) -> None:
    place = folder(tokenizer_json=byte_level(golden))
    bare = tokenizer_from_folder(place)
    padded = tokenizer_from_folder(place, rows=bare.vocab_size + 90)
    assert padded.vocab_size == bare.vocab_size + 90
    assert padded.token_bytes(padded.vocab_size - 1) == b""
    assert padded.encode("the text") == bare.encode("the text")
    assert tokenizer_from_folder(place, rows=bare.vocab_size).fingerprint == bare.fingerprint


@pytest.mark.parametrize("rows", [-1, 5000])
def test_an_embedding_of_another_model_is_refused(
    rows: int, golden: Any, folder: Callable[..., Path]
) -> None:
    place = folder(tokenizer_json=byte_level(golden))
    rows = rows if rows > 0 else tokenizer_from_folder(place).vocab_size - 1
    with pytest.raises(
        FormatError, match=rf"the embedding has {rows:,} rows: the tokenizer is another model's"
    ):
        tokenizer_from_folder(place, rows=rows)


def test_padding_of_a_sentencepiece_model(folder: Callable[..., Path], sentencepiece: Any) -> None:
    padded = tokenizer_from_folder(
        folder(tokenizer_model=vocabularies.sentencepiece()[0]), rows=sentencepiece.vocab_size + 64
    )
    assert padded.encode("the words") == sentencepiece.encode("the words")


# what is refused


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=re.escape(f"{tmp_path}: there is neither a tokenizer.json nor a")):
        tokenizer_from_folder(tmp_path)


@pytest.mark.parametrize(
    "cutter",
    [
        None,
        {"type": "Whitespace"},
        {"type": "Sequence", "pretokenizers": 3},
        {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True},
        {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": "\\p{L}+odd"},
                    "behavior": "Isolated",
                    "invert": False,
                },
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        },
        {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"String": "x"}, "behavior": "Removed", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        },
    ],
    ids=str,
)
def test_an_unknown_way_to_cut_is_shown(cutter: Any, golden: Any, folder: Callable[..., Path]) -> None:
    described = byte_level(golden) | {"pre_tokenizer": cutter}
    with pytest.raises(UnsupportedModelError) as caught:
        tokenizer_from_folder(folder(tokenizer_json=described))
    assert f"the pre-tokenizer of tokenizer.json is not known here: {cutter!r}" in str(caught.value)


def test_words_that_need_no_merges_belong_to_the_family(golden: Any, folder: Callable[..., Path]) -> None:
    described = copy.deepcopy(byte_level(golden, "qwen2"))
    described["model"]["ignore_merges"] = True
    with pytest.raises(UnsupportedModelError, match="with ignore_merges is not known here"):
        tokenizer_from_folder(folder(tokenizer_json=described))


def test_normalizers(golden: Any, folder: Callable[..., Path]) -> None:
    nfc = byte_level(golden) | {"normalizer": {"type": "NFC"}}
    assert tokenizer_from_folder(folder(tokenizer_json=nfc)).decode([0, 1])
    for described in (byte_level(golden), vocabularies.gemma4()):
        with pytest.raises(
            UnsupportedModelError, match=r"the normalizer of tokenizer\.json is not known.*Lower"
        ):
            tokenizer_from_folder(folder(tokenizer_json=described | {"normalizer": {"type": "Lowercase"}}))


def test_a_llama_2_rendering_is_left_for_its_sentencepiece_model(folder: Callable[..., Path]) -> None:
    described = vocabularies.gemma4() | {
        "normalizer": {"type": "Prepend", "prepend": "\u2581"},
        "added_tokens": [],
    }
    made = tokenizer_from_folder(
        folder(tokenizer_json=described, tokenizer_model=vocabularies.sentencepiece()[0])
    )
    assert made.encode("the table") == vocabularies.sentencepiece()[1].encode("the table")


def test_a_tokenizer_model_counts_where_its_rendering_has_no_user_defined_tokens(
    folder: Callable[..., Path],
) -> None:
    rendered = vocabularies.gemma3()
    special = [each for each in rendered["added_tokens"] if each["special"]]
    place = folder(
        tokenizer_json=rendered | {"added_tokens": special}, tokenizer_model=vocabularies.sentencepiece()[0]
    )
    made = tokenizer_from_folder(place)
    text = "<table>" + " " * 33
    assert made.encode(text) == vocabularies.sentencepiece()[1].encode(text)
    (place / "tokenizer.model").unlink()
    assert isinstance(tokenizer_from_folder(place), CharacterTokenizer)


def test_a_tokenizer_model_of_another_model_does_not_count(
    folder: Callable[..., Path], gemma4: VocabularyTokenizer
) -> None:
    made = tokenizer_from_folder(
        folder(
            tokenizer_json=vocabularies.gemma4(),
            tokenizer_config_json=GEMMA_SETTINGS,
            tokenizer_model=vocabularies.sentencepiece()[0],
        )
    )
    assert made.fingerprint == gemma4.fingerprint


def test_a_vocabulary_that_joins_line_breaks_with_text_is_refused(folder: Callable[..., Path]) -> None:
    described = copy.deepcopy(vocabularies.gemma4())
    described["model"]["vocab"]["x\n"] = len(described["model"]["vocab"])
    with pytest.raises(UnsupportedModelError, match=r"joins line breaks with other text, in 'x\\n'"):
        tokenizer_from_folder(folder(tokenizer_json=described))


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Sets what lies at a path of keys."""

    def apply(described: dict[str, Any]) -> None:
        *keys, last = path.split("/")
        for key in keys:
            described = described[key]
        described[last] = value

    return apply


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change("model", None), "holds no model with a vocabulary"),
        (change("model", []), "holds no model with a vocabulary"),
        (change("model/vocab", 3), "holds no model with a vocabulary"),
        (change("model/vocab/!", -1), "the token '!' has the id -1"),
        (change("model/vocab/!", "1"), "the token '!' has the id '1'"),
        (change("model/vocab/!", True), "the token '!' has the id True"),
        (change("model/vocab/!", 1), "have the same id, 1"),
        (change("model/vocab/!", 1 << 40), "their ids go up to 1,099,511,627,776"),
        (change("model/merges", None), "the merges of tokenizer.json are no list"),
        (change("model/merges", [["a"]]), "no pair of tokens"),
        (change("model/merges", [["a", "b", "c"]]), "no pair of tokens"),
        (change("model/merges", [3]), "no pair of tokens"),
        (change("model/merges", [["a", 3]]), "no pair of tokens"),
        (change("model/merges", [["qqq", "xxx"]]), "does not have as text"),
        (change("added_tokens", {"a": 1}), "added_tokens in tokenizer.json is no list"),
        (change("added_tokens", [3]), "an added token that is none"),
        (change("added_tokens", [{"id": 3}]), "an added token that is none"),
        (change("added_tokens", [{"id": "3", "content": "x"}]), "an added token that is none"),
        (change("added_tokens", [{"id": 3, "content": ""}]), "an added token that is none"),
        (change("added_tokens", [{"id": -3, "content": "x"}]), "an added token that is none"),
        (change("added_tokens", [{"id": 1 << 50, "content": "<x>"}]), "their ids go up to"),
        (change("added_tokens", [{"id": 3, "content": "!"}]), "the token '!' has the ids 0 and 3"),
    ],
)
def test_a_damaged_tokenizer_json_is_named(
    spoil: Callable[[dict[str, Any]], None], message: str, golden: Any, folder: Callable[..., Path]
) -> None:
    described = copy.deepcopy(byte_level(golden))
    spoil(described)
    place = folder(tokenizer_json=described)
    with pytest.raises(FormatError) as caught:
        tokenizer_from_folder(place)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{place}: ")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"3", b"NaN", b'{"a": 1} x'])
@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "generation_config.json"])
def test_damaged_json_is_named(name: str, content: bytes, golden: Any, folder: Callable[..., Path]) -> None:
    place = folder(tokenizer_json=byte_level(golden))
    (place / name).write_bytes(content)
    with pytest.raises(FormatError, match=re.escape(name)):
        tokenizer_from_folder(place)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"tokenizer_config_json": {"bos_token": "<none>"}},
            "the bos token '<none>' is not in the vocabulary",
        ),
        ({"tokenizer_config_json": {"eos_token": 3}}, "eos_token in tokenizer_config.json is 3"),
        ({"tokenizer_config_json": {"added_tokens_decoder": [1]}}, "added_tokens_decoder"),
        ({"tokenizer_config_json": {"added_tokens_decoder": {"x": {"content": "y"}}}}, "an added token"),
        ({"generation_config_json": {"eos_token_id": [10**9]}}, "eos_token_id is 1000000000"),
        ({"generation_config_json": {"eos_token_id": "1"}}, "eos_token_id is '1'"),
        ({"generation_config_json": {"suppress_tokens": [-5]}}, "suppress_tokens holds -5"),
        (
            {"generation_config_json": {"suppress_tokens": 7}},
            "suppress_tokens in generation_config.json is 7",
        ),
        ({"config_json": {"bos_token_id": 10**9}}, "bos_token_id is 1000000000"),
        ({"config_json": {"bos_token_id": 1.5}}, "bos_token_id is 1.5"),
    ],
)
def test_absurd_settings_are_named(
    files: dict[str, Any], message: str, golden: Any, folder: Callable[..., Path]
) -> None:
    with pytest.raises(FormatError) as caught:
        tokenizer_from_folder(folder(tokenizer_json=byte_level(golden), **files))
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", ["Unigram", "WordPiece", "WordLevel", 3])
def test_other_kinds_of_models_are_named(kind: Any, folder: Callable[..., Path]) -> None:
    described = {"model": {"type": kind, "vocab": [["a", -1.0]]}}
    with pytest.raises(UnsupportedModelError, match=repr(kind)):
        tokenizer_from_folder(folder(tokenizer_json=described))


def test_a_huge_file_is_not_read(folder: Callable[..., Path]) -> None:
    place = folder()
    with (place / "tokenizer.json").open("wb") as file:
        file.truncate(1 << 29)
    with pytest.raises(FormatError, match="536,870,912 bytes"):
        tokenizer_from_folder(place)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_tokenizer_model_is_refused_or_still_one(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = bytearray(vocabularies.sentencepiece()[0])
    place = data.draw(st.integers(0, len(model) - 1))
    if data.draw(st.booleans()):
        model = model[:place]
    else:
        model[place] ^= data.draw(st.integers(1, 255))
    folder = write_folder(tmp_path_factory.mktemp("damaged"), tokenizer_model=bytes(model))
    try:
        tokenizer = tokenizer_from_folder(folder)
    except (FormatError, UnsupportedModelError):
        return
    assert tokenizer.decode(tokenizer.encode("some text")) == "some text"


@pytest.mark.parametrize("model", [b"", b"\x00", b"hello world", b"\x0a\xff\xff\xff\xff\x0f", b"\x08\x01"])
def test_what_is_no_sentencepiece_model(model: bytes, folder: Callable[..., Path]) -> None:
    with pytest.raises(FormatError, match=r"tokenizer\.model is damaged"):
        tokenizer_from_folder(folder(tokenizer_model=model))


@pytest.mark.slow
@pytest.mark.weights
def test_the_rendering_of_a_real_vocabulary_gives_its_ids(
    weights: Callable[[str], Any], golden: Any, samples: dict[str, str], tmp_path: Path
) -> None:
    """Gemma 3's own pieces rendered as tokenizer.json does it, and read back."""
    with open_gguf(weights("gemma-3-270m")) as file:
        metadata = dict(file.metadata)
        original = tokenizer_from_gguf(metadata)
    pieces, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    spelled = [
        piece.replace(" ", vocabularies.SPACE) if kind == Kind.USER_DEFINED else piece
        for piece, kind in zip(pieces, kinds, strict=True)
    ]
    ids = {piece: id for id, piece in enumerate(spelled)}
    marks = [spelled[id] for id in range(len(pieces)) if kinds[id] in (Kind.CONTROL, Kind.UNKNOWN)]
    own = [(id, spelled[id]) for id in range(len(pieces)) if kinds[id] == Kind.USER_DEFINED]
    described = vocabularies.gemma4()
    rendered = described | {
        "added_tokens": [
            *vocabularies.added(((ids[mark], mark) for mark in marks), special=True),
            *vocabularies.added(own, special=False),
        ],
        "model": described["model"]
        | {"vocab": ids, "merges": vocabularies.all_merges(ids, [*marks, *vocabularies.BYTES])},
    }
    tokenizer = tokenizer_from_folder(
        write_folder(tmp_path, tokenizer_json=json.dumps(rendered), tokenizer_config_json=GEMMA_SETTINGS)
    )
    assert len(rendered["model"]["merges"]) > 500_000
    wanted = golden("real")["gemma-3-270m"]
    assert {name: tokenizer.encode(samples[name]) for name in wanted} == wanted
    assert tokenizer.vocabulary.kinds == original.vocabulary.kinds
