"""Counts of parts add up to what is sent; they are kept for their own text and tokenizer only."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import ByteTokenizer, Template

from gemcli.pack.assemble import assemble
from gemcli.pack.tally import tally
from gemcli.parts import Anchor, Document, Image, Text
from model.tokenizer.load import tokenizer_from_gguf
from model.tokenizer.template import ChatTemplate

GOLDEN = Path(__file__).parents[1] / "tokenizer" / "golden"
LINE = st.text(st.characters(exclude_characters="\ud800", exclude_categories=["Cs"]), max_size=30)
VISIBLE = st.text(alphabet="abcXYZ019 .,'-_()[]\n\t", max_size=60).map(lambda text: f"x{text}")


def document(*texts: str, name: str = "a.txt") -> Document:
    parts = tuple(Text(text, Anchor(lines=(n, n))) for n, text in enumerate(texts, 1))
    return Document(name, "text/plain", "0" * 64, parts)


@cache
def model(vocabulary: str, template: str | None):
    source = json.loads((GOLDEN / "templates.json").read_text())[template]["source"] if template else None
    metadata = json.loads((GOLDEN / f"small-{vocabulary}.json").read_text())["metadata"]
    names = {"bpe": ("<|im_start|>", "<|im_end|>"), "spm": ("<s>", "<eos>"), "spm-prefix": ("<s>", "</s>")}
    bos, eos = names[vocabulary]
    return tokenizer_from_gguf(metadata), ChatTemplate(source, bos=bos, eos=eos)


@pytest.mark.parametrize(
    ("vocabulary", "template"),
    [("bpe", "smollm2"), ("bpe", "qwen2.5"), ("bpe", None), ("spm", "gemma"), ("spm-prefix", "mistral")],
)
@given(
    st.lists(st.lists(VISIBLE | LINE.map(lambda text: f"é{text}"), min_size=1, max_size=4), max_size=3),
    VISIBLE,
)
@settings(max_examples=60, deadline=None)
def test_parts_cost_what_they_cost_in_the_prompt(
    vocabulary: str, template: str | None, texts: list[list[str]], question: str
) -> None:
    tokenizer, chat = model(vocabulary, template)
    documents = [document(*each, name=f"{n}.txt") for n, each in enumerate(texts)]
    options = {"system": None, "template": chat, "tokenizer": tokenizer, "is_base": template is None}
    found = tally(documents, question, keep=False, **options)
    sent = assemble(documents, question, **options).costs
    assert found.parts == sent.parts
    assert found.headings == sent.headings
    assert found.overhead == sent.overhead
    assert found.total == sent.total


def test_counts_are_kept_for_a_text_and_a_tokenizer(home: Path) -> None:
    tokenizer = ByteTokenizer()
    long = document(*["A sentence of a long text. " * 80] * 30)

    def count(given: Document, by: ByteTokenizer, **options: bool) -> int:
        before = by.encoded
        tally([given], "Why?", system=None, template=Template(), tokenizer=by, **options)
        return by.encoded - before

    first, again = count(long, tokenizer), count(long, tokenizer)
    assert first - again == 30
    assert count(long, tokenizer, keep=False) == first
    assert count(document(*["A sentence of a long tale. " * 80] * 30), tokenizer) == first
    assert count(long, ByteTokenizer(joined=[b"ab"])) == first
    (kept, *_) = (home / "cache" / "documents" / "tokens").iterdir()
    kept.write_bytes(b"damaged")
    assert count(long, tokenizer) in (first, again)


def test_a_short_document_is_not_kept(home: Path) -> None:
    tally([document("short")], "", system=None, template=Template(), tokenizer=ByteTokenizer())
    assert not (home / "cache").exists()


def test_pictures_cost_nothing_here_and_parts_keep_their_numbers() -> None:
    picture = Image(4, 4, lambda: None)  # type: ignore[arg-type, return-value]
    given = Document("a.pdf", "", "", (picture, Text("one"), picture, Text("three")))
    found = tally([given], "", system="", template=Template(), tokenizer=ByteTokenizer())
    assert found.parts == {(0, 1): len("one\n\n"), (0, 3): len("three\n\n")}
    assert found.headings == {0: len("Document: a.pdf\n")}


def test_progress_ends_at_the_whole() -> None:
    told: list[tuple[int, int]] = []
    tally(
        [document("one", "two"), document("three")],
        "",
        system="",
        template=Template(),
        tokenizer=ByteTokenizer(),
        report=lambda done, total: told.append((done, total)),
    )
    assert told[0] == (0, 11)
    assert told[-1] == (11, 11)
    assert told == sorted(told)
