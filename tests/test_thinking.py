"""Thoughts and answer are told apart by their marks alone, however the text is cut into tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
import vocabularies
from hypothesis import given, settings
from hypothesis import strategies as st

from model.load import Generation, Model
from model.thinking import Marks, Piece, Splitter, marks_of
from model.tokenizer.load import tokenizer_from_gguf
from model.tokenizer.shared import VocabularyTokenizer
from model.tokenizer.template import ChatTemplate

CHANNEL = Marks("<|channel>", "<channel|>", title="thought\n")
TAGS = Marks("<think>", "</think>", spelled=True)
THOUGHT = "<|channel>thought\n"


def byte_level(*more: tuple[str, int]) -> VocabularyTokenizer:
    """A token a byte, and some more of a kind."""
    metadata = vocabularies.byte_metadata()
    metadata["tokenizer.ggml.tokens"] += [piece for piece, _ in more]
    metadata["tokenizer.ggml.token_type"] += [kind for _, kind in more]
    return tokenizer_from_gguf(metadata)


@pytest.fixture(scope="module")
def gemma4() -> VocabularyTokenizer:
    return tokenizer_from_gguf(vocabularies.gemma4_metadata())


@pytest.fixture(scope="module")
def plain() -> VocabularyTokenizer:
    """It has no tokens for thoughts: marks are spelled out, a byte a token."""
    return byte_level()


def template(source: str | None = None) -> ChatTemplate:
    return ChatTemplate(source, bos="", eos="")


def split(splitter: Splitter, ids: Iterable[int]) -> list[Piece]:
    pieces = [piece for id in ids for piece in splitter.push(id)] + splitter.flush()
    assert all(text for _, text in pieces), "no piece is empty"
    return pieces


def texts(pieces: Sequence[Piece]) -> tuple[str, str]:
    """(thoughts, answer)"""
    return tuple("".join(text for channel, text in pieces if channel == one) for one in ("thought", "answer"))


def channels(tokenizer: VocabularyTokenizer, generated: str, prompt: str = "") -> tuple[str, str]:
    """What becomes of text in which marks are tokens."""
    ids = [tokenizer.encode_spans([(text, True)]) for text in (prompt, generated)]
    return texts(split(Splitter(tokenizer, CHANNEL, ids[0]), ids[1]))


def tags(tokenizer: VocabularyTokenizer, generated: str, prompt: str = "") -> tuple[str, str]:
    """What becomes of text in which marks may be spelled."""
    return texts(split(Splitter(tokenizer, TAGS, tokenizer.encode(prompt)), tokenizer.encode(generated)))


# which marks a model has


def test_a_models_marks_are_known_by_its_tokens_or_its_template(
    gemma4: VocabularyTokenizer, plain: VocabularyTokenizer
) -> None:
    assert marks_of(gemma4, template()) == CHANNEL
    assert marks_of(byte_level(("<think>", 4), ("</think>", 4)), template()) == TAGS
    assert marks_of(plain, template("{{ x.split('</think>') }}")) == TAGS
    assert marks_of(plain, template("{{ x }}")) is None
    assert marks_of(plain, template()) is None


def test_without_marks_everything_is_the_answer(
    plain: VocabularyTokenizer, gemma4: VocabularyTokenizer
) -> None:
    for tokenizer, text in ((plain, "<think>a</think>b"), (gemma4, "a é日 b")):
        splitter = Splitter(tokenizer, None)
        assert texts(split(splitter, tokenizer.encode(text))) == ("", text)
        assert not splitter.thinking


# Gemma 4


@pytest.mark.parametrize(
    ("generated", "thought", "answer"),
    [
        ("Hello.", "", "Hello."),
        (THOUGHT + "One.\nTwo.\n<channel|>Hello.<turn|>", "One.\nTwo.", "Hello."),
        (THOUGHT + "<channel|>Hello.", "", "Hello."),
        ("<|channel>thought<channel|>Hello.", "", "Hello."),
        ("<|channel><channel|>Hello.", "", "Hello."),
        ("<|channel>thou<channel|>Hello.", "", "Hello."),
        ("<|channel>thoughts of mine<channel|>Hello.", "thoughts of mine", "Hello."),
        ("<|channel>those<channel|>Hello.", "those", "Hello."),
        (THOUGHT + "thought\na\n<channel|>b", "thought\na", "b"),
        (THOUGHT + "\n\na\n\nb\n\n<channel|>\n\nc\n", "a\n\nb", "c\n"),
        (THOUGHT + "a<channel|>b" + THOUGHT + "c<channel|>d", "ac", "bd"),
        ("Hello. " + THOUGHT + "hm<channel|>World.", "hm", "Hello. World."),
        ("<channel|>Hello.", "", "Hello."),
        (THOUGHT + "a<|channel>b<channel|>c", "ab", "c"),
        (THOUGHT + "never ends", "never ends", ""),
        (THOUGHT + "never ends\n\n", "never ends", ""),
        (THOUGHT, "", ""),
        ("<|channel>thou", "", ""),
        ("<|channel>", "", ""),
        ("", "", ""),
    ],
)
def test_channels(gemma4: VocabularyTokenizer, generated: str, thought: str, answer: str) -> None:
    assert channels(gemma4, generated) == (thought, answer)


def test_marks_that_are_spelled_out_are_text_to_a_model_with_tokens_for_them(
    gemma4: VocabularyTokenizer,
) -> None:
    text = "<|channel>thought\nx<channel|> <think>y</think>"
    assert texts(split(Splitter(gemma4, CHANNEL), gemma4.encode(text))) == ("", text)


def test_a_mark_ends_a_character_that_is_not_whole(gemma4: VocabularyTokenizer) -> None:
    ids = gemma4.vocabulary.ids
    begun = [ids["<|channel>"], *gemma4.encode("thought\nx日")[:-1], ids["<channel|>"], *gemma4.encode("y")]
    assert texts(split(Splitter(gemma4, CHANNEL), begun)) == ("x\ufffd", "y")


@pytest.mark.parametrize(
    ("prompt", "thinking"),
    [
        ("<|turn>model\n<|channel>thought\n", True),
        ("<|turn>model\n<|channel>thou", True),
        ("<|turn>model\n<|channel>", True),
        ("<|turn>model\n<|channel>thought\n<channel|>", False),
        ("<|turn>model\n", False),
        ("<|channel>thought\nlong ago", False),
    ],
)
def test_a_prompt_may_end_within_a_channel(gemma4: VocabularyTokenizer, prompt: str, thinking: bool) -> None:
    rest = "ght\n" if prompt.endswith("thou") else "thought\n" if prompt.endswith("<|channel>") else ""
    assert channels(gemma4, rest + "x<channel|>y", prompt) == (("x", "y") if thinking else ("", rest + "xy"))
    splitter = Splitter(gemma4, CHANNEL, gemma4.encode_spans([(prompt, True)]))
    assert splitter.thinking is thinking


def test_text_of_a_document_begins_no_channel(gemma4: VocabularyTokenizer) -> None:
    assert not Splitter(gemma4, CHANNEL, gemma4.encode("<|channel>thought\n")).thinking


# spelled marks


@pytest.mark.parametrize(
    ("generated", "thought", "answer"),
    [
        ("Hello.", "", "Hello."),
        (" \n Hello.", "", " \n Hello."),
        (" \n", "", " \n"),
        ("<think>One.\nTwo.</think>Hello.", "One.\nTwo.", "Hello."),
        ("<think>\nOne.\n</think>\n\nHello.\n", "One.", "Hello.\n"),
        ("<think>\n\n</think>\n\nHello.", "", "Hello."),
        ("\n <think>a</think>b", "a", "b"),
        ("Say <think>a</think>", "", "Say <think>a</think>"),
        ("<think>a</think>b <think>c</think>", "a", "b <think>c</think>"),
        ("<think>a </thin </think >\n</</think>b", "a </thin </think >\n</", "b"),
        ("<thinking>", "", "<thinking>"),
        ("<thin", "", "<thin"),
        ("<think>never ends</thi", "never ends</thi", ""),
        ("<think>never ends\n\n", "never ends", ""),
        ("<think>a\n\n</", "a\n\n</", ""),
        ("<think>", "", ""),
        ("</think>x", "", "</think>x"),
    ],
)
def test_spelled_marks(plain: VocabularyTokenizer, generated: str, thought: str, answer: str) -> None:
    assert tags(plain, generated) == (thought, answer)
    for kind in (3, 4):  # control tokens, which have no bytes, and user-defined ones, which have
        marked = byte_level(("<think>", kind), ("</think>", kind))
        ids = marked.encode_spans([(generated, True)])
        assert texts(split(Splitter(marked, TAGS), ids)) == (
            (thought, answer) if kind == 4 else (thought, _without_late_marks(answer))
        )


def _without_late_marks(answer: str) -> str:
    """A control token in the middle of an answer is silent, as any other."""
    return answer if answer.startswith("</think>") else answer.replace("<think>", "").replace("</think>", "")


@pytest.mark.parametrize("prompt", ["assistant\n<think>\n", "<think>", "a <think>\n\n"])
def test_a_prompt_may_end_with_a_spelled_mark(plain: VocabularyTokenizer, prompt: str) -> None:
    assert tags(plain, "\nhm\n</think>\n\nyes", prompt) == ("hm", "yes")
    marked = byte_level(("<think>", 3), ("</think>", 3))
    ids = marked.encode_spans([(prompt, True)])
    assert texts(split(Splitter(marked, TAGS, ids), marked.encode("hm</think>yes"))) == ("hm", "yes")


def test_a_prompt_whose_thought_is_over(plain: VocabularyTokenizer) -> None:
    assert tags(plain, "yes", "<think>\n\n</think>\n\n") == ("", "yes")


def test_pieces_come_as_soon_as_they_are_sure(plain: VocabularyTokenizer) -> None:
    splitter = Splitter(plain, TAGS)
    seen = [splitter.push(id) for id in plain.encode("<think>ab\nc</d</think>\ne\n")]
    assert [(at, pieces) for at, pieces in enumerate(seen) if pieces] == [
        (7, [("thought", "a")]),
        (8, [("thought", "b")]),
        (10, [("thought", "\nc")]),
        (13, [("thought", "</d")]),
        (23, [("answer", "e")]),
        (24, [("answer", "\n")]),
    ]
    assert splitter.flush() == []


# however it is cut

parts = st.lists(
    st.one_of(
        st.sampled_from(
            ["<think>", "</think>", "<|channel>", "<channel|>", "thought\n", "\n", " ", "<", "</thi"]
        ),
        st.text(max_size=4),
    ),
    max_size=10,
).map("".join)


@given(thought=parts, answer=parts, data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_thought_and_an_answer_come_back(
    thought: str, answer: str, data: st.DataObject, gemma4: VocabularyTokenizer
) -> None:
    """Of any text, also one that spells marks; cut where the tokenizer would not."""

    def cut(text: str) -> list[int]:
        at = data.draw(st.integers(0, len(text)))
        return gemma4.encode(text[:at]) + gemma4.encode(text[at:])

    thought, answer = (text.encode("utf-8", "replace").decode().strip("\n") for text in (thought, answer))
    begin, end = (gemma4.vocabulary.ids[mark] for mark in ("<|channel>", "<channel|>"))
    ids = [begin, *cut("thought\n"), *cut(thought), *cut("\n"), end, *cut(answer)]
    splitter = Splitter(gemma4, CHANNEL)
    assert texts(split(splitter, ids)) == (thought, answer)
    assert not splitter.thinking
    unended = Splitter(gemma4, CHANNEL)
    assert texts(split(unended, ids[: ids.index(end)])) == (thought, "")
    assert unended.thinking


@given(text=parts, cuts=st.lists(st.integers(0, 80), max_size=5))
@settings(max_examples=300, deadline=None)
def test_spelled_marks_do_not_depend_on_the_cuts(
    text: str, cuts: list[int], gemma4: VocabularyTokenizer
) -> None:
    text = text.encode("utf-8", "replace").decode()
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    ids = [id for left, right in pairwise(borders) for id in gemma4.encode(text[left:right])]
    byte_by_byte = [gemma4.vocabulary.ids[f"<0x{byte:02X}>"] for byte in text.encode()]
    found = texts(split(Splitter(gemma4, TAGS), ids))
    assert found == texts(split(Splitter(gemma4, TAGS), byte_by_byte))
    first = text.lstrip()
    if not first.startswith("<think>"):
        assert found == ("", text)
    else:
        thought, _, answer = first.removeprefix("<think>").partition("</think>")
        assert found[1] == answer.lstrip("\n")
        assert found[0].strip("\n") == thought.strip("\n")


# as an answer is generated


class Scripted:
    """An engine that says these tokens; it keeps what it was asked."""

    window = 1000

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = ids
        self.asked: dict[str, Any] = {}

    def generate(self, prompt: Sequence[int], *, limit: int, **asked: Any) -> Iterator[int]:
        self.asked = asked
        yield from self.ids[:limit]


def generation(
    tokenizer: VocabularyTokenizer, generated: str, limit: int = 100, **options: Any
) -> tuple[Generation, list[str], Scripted]:
    """(what is being said, what was thought so far, who says it)"""
    engine = Scripted(tokenizer.encode_spans([(generated, True)]))
    card = SimpleNamespace(tokenizer=tokenizer, template=template())
    model = Model(cast(Any, card), cast(Any, engine), cast(Any, None))
    thoughts: list[str] = []
    return (
        model.stream([0], sampling=cast(Any, None), max_tokens=limit, on_thought=thoughts.append, **options),
        thoughts,
        engine,
    )


def test_an_answer_has_no_thought_in_it(gemma4: VocabularyTokenizer) -> None:
    text = THOUGHT + "Let me see.\n<channel|>Hello, world.<turn|>"
    answer, thoughts, _ = generation(gemma4, text)
    assert "".join(answer) == "Hello, world."
    assert "".join(thoughts) == "Let me see."
    assert answer.finish_reason == "stop"
    assert not answer.thinking
    assert answer.completion_tokens == len(gemma4.encode_spans([(text, True)])) - 1


def test_nobody_need_listen(gemma4: VocabularyTokenizer) -> None:
    engine = Scripted(gemma4.encode_spans([(THOUGHT + "a<channel|>b<turn|>", True)]))
    card = SimpleNamespace(tokenizer=gemma4, template=template())
    model = Model(cast(Any, card), cast(Any, engine), cast(Any, None))
    assert "".join(model.stream([0], sampling=cast(Any, None))) == "b"


def test_a_thought_that_the_limit_cuts_leaves_no_answer(gemma4: VocabularyTokenizer) -> None:
    answer, thoughts, _ = generation(gemma4, THOUGHT + "Let me see, and see again", limit=14)
    assert list(answer) == []
    assert "".join(thoughts).startswith("Let")
    assert (answer.finish_reason, answer.thinking, answer.completion_tokens) == ("length", True, 14)


def test_a_stop_text_ends_answers_and_not_thoughts(gemma4: VocabularyTokenizer) -> None:
    answer, thoughts, _ = generation(gemma4, THOUGHT + "a STOP b<channel|>c STOP d<turn|>", stop=["STOP"])
    assert "".join(answer) == "c "
    assert "".join(thoughts) == "a STOP b"
    assert answer.finish_reason == "stop"


def test_what_is_suppressed_is_told_to_the_engine(gemma4: VocabularyTokenizer) -> None:
    answer, _, engine = generation(gemma4, "x")
    list(answer)
    assert engine.asked["suppress"] == frozenset()
    image = gemma4.vocabulary.ids["<|image|>"]
    made = tokenizer_from_gguf(vocabularies.gemma4_metadata() | {"tokenizer.ggml.suppress_tokens": [image]})
    answer, _, engine = generation(made, "x")
    list(answer)
    assert engine.asked["suppress"] == {image}
