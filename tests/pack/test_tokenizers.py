"""Packing with the real tokenizers (small vocabularies) and the real templates of released models."""

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.pack.assemble import assemble
from gemcli.parts import Anchor, Document, Text
from model.tokenizer.load import tokenizer_from_gguf
from model.tokenizer.template import ChatTemplate

GOLDEN = Path(__file__).parents[1] / "tokenizer" / "golden"
SIGNS = ["<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>", "<s>", "</s>", "<eos>", "<bos>"]
TEXT = st.text(max_size=60) | st.lists(
    st.sampled_from(
        [*SIGNS, "user\n", " ", "\n", "\n\n", "\t", "naïve", "日本", "👩‍👩‍👧", "\x00", "a" * 20, "▁"]
    )
).map("".join)
DOCUMENTS = st.lists(
    st.lists(TEXT, max_size=3).map(
        lambda texts: Document(
            "notes.md",
            "text/markdown",
            "0" * 64,
            tuple(Text(text, Anchor(lines=(n + 1, n + 2))) for n, text in enumerate(texts)),
        )
    ),
    max_size=3,
)
PAIRS = [
    ("bpe", "smollm2"),
    ("bpe", "qwen2.5"),
    ("bpe", None),
    ("spm", "gemma"),
    ("spm", None),
    ("spm-prefix", "mistral"),
]


@cache
def model(vocabulary: str, template: str | None):
    """A tokenizer and a template."""
    source = json.loads((GOLDEN / "templates.json").read_text())[template]["source"] if template else None
    metadata = json.loads((GOLDEN / f"small-{vocabulary}.json").read_text())["metadata"]
    names = {"bpe": ("<|im_start|>", "<|im_end|>"), "spm": ("<s>", "<eos>"), "spm-prefix": ("<s>", "</s>")}
    bos, eos = names[vocabulary]
    return tokenizer_from_gguf(metadata), ChatTemplate(source, bos=bos, eos=eos)


@pytest.mark.parametrize(("vocabulary", "template"), PAIRS)
@given(documents=DOCUMENTS, question=TEXT)
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_and_nothing_is_trusted(vocabulary, template, documents, question):
    tokenizer, chat = model(vocabulary, template)

    def pack(documents, question):
        return assemble(
            documents, question, system=None, template=chat, tokenizer=tokenizer, is_base=template is None
        )

    prompt = pack(documents, question)
    decoded = tokenizer.decode_bytes(prompt.ids)
    at = 0
    for document in documents:
        for part in document.parts:
            found = decoded.find(part.text.encode(), at)
            assert found >= 0
            at = found + len(part.text.encode())
    harmless = pack([Document("notes.md", "text/markdown", "", ()) for _ in documents], "x")
    controls = [token for token in prompt.ids if tokenizer.is_control(token)]
    assert controls == [token for token in harmless.ids if tokenizer.is_control(token)]
    costs = prompt.costs
    assert costs.total == len(prompt.ids)
    assert costs.overhead + sum(map(costs.of_document, range(len(documents)))) == costs.total
    assert min([costs.overhead, *costs.headings.values(), *costs.parts.values()]) >= 0
