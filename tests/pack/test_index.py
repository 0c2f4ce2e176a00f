"""BM25 as another implementation has it; an index from disk is the one that was made; lists are found."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from gemcli.pack import index as indexing
from gemcli.pack.index import build, context, index, is_listing, rarity, score
from gemcli.parts import Anchor, Document, Text

WORDS = [f"w{number:03d}x" for number in range(200)]


def document(*texts: str, name: str = "a.txt", **given: object) -> Document:
    return Document(
        name,
        "text/plain",
        "0" * 64,
        tuple(Text(text, Anchor(page=n), **given) for n, text in enumerate(texts, 1)),
    )  # type: ignore[arg-type]


def noise(seed: int, count: int = 120) -> Document:
    chance = random.Random(seed)
    return document(*(" ".join(chance.choices(WORDS, k=chance.randint(20, 90))) for _ in range(count)))


def brute(documents: list[Document], term: str) -> list[list[float]]:
    """BM25 by its definition, without an index."""
    texts = [[each.text(one.parts).split() for each in build(one).passages] for one in documents]
    every = [words for one in texts for words in one]
    average = sum(map(len, every)) / len(every)
    value = rarity(len(every), sum(term in words for words in every))
    k1, b = indexing.K1, indexing.B
    return [
        [
            value
            * words.count(term)
            * (k1 + 1)
            / (words.count(term) + k1 * (1 - b + b * len(words) / average))
            for words in one
        ]
        for one in texts
    ]


@pytest.mark.parametrize("term", WORDS[:5])
def test_scores_are_bm25_over_all_documents(term: str) -> None:
    documents = [noise(1), noise(2, 40)]
    found = score([build(each) for each in documents], {term: 1.0})
    for ours, theirs in zip(found, brute(documents, term), strict=True):
        assert ours == pytest.approx(np.array(theirs), rel=1e-4)


def test_an_index_comes_back_from_disk(home: Path) -> None:
    given = noise(3, 400)
    made = index(given)
    files = list((home / "cache" / "documents" / "index").iterdir())
    assert [each.suffix for each in files] == [".npz"]
    again = index(given)
    assert again.passages == made.passages
    assert again.vocabulary == made.vocabulary
    for name in ("lengths", "worth", "starts", "places", "counts"):
        assert np.array_equal(getattr(again, name), getattr(made, name)), name
    for damage in (b"", files[0].read_bytes()[:2000], b"PK\3\4 nonsense"):
        files[0].write_bytes(damage)
        assert index(given).vocabulary == made.vocabulary
    assert index(given).vocabulary == made.vocabulary


def test_nothing_is_kept_that_must_not_be_or_is_quickly_made(home: Path) -> None:
    index(noise(4, 400), keep=False)
    index(noise(4, 10))
    assert not (home / "cache").exists()


def test_another_text_heading_or_place_is_another_index() -> None:
    paths = {
        indexing._path(each)
        for each in (
            document("one two"),
            document("one three"),
            document("one two", heading="A"),
            document("", "one two"),
        )
    }
    assert len(paths) == 4
    assert indexing._path(document("one two", name="other")) in paths, "the name does not matter"


def test_a_heading_counts_in_all_passages_under_it() -> None:
    given = Document("a", "", "", (Text("Sentences about it. " * 200, heading="Termination"),))
    made = build(given)
    places, counts = made.entries("termin")
    assert list(places) == list(range(len(made.passages)))
    assert set(counts) == {indexing.HEADING}


def test_the_line_that_heads_a_page_counts_as_its_heading() -> None:
    given = document(
        "12  boxplot\n\nText of the page.",
        "barplot  13\n\nMore.",
        "A page without any.\n\nx",
        "Guide\nx",
        "Guide\ny",
    )
    assert context(given) == ["boxplot", "barplot", "", "Guide", "Guide"]


@pytest.mark.parametrize(
    ("text", "listing"),
    [
        ("\n".join(f"chapter {n} . . . . . . . . . . . . | {n}" for n in range(20)), True),
        ("\n".join(f"Chapter {n} ........ {n}" for n in range(20)), True),
        ("\n".join(f"lm.fit, {n}, {n + 4}" for n in range(20)), True),
        ("\n".join(f"Line {n} of ordinary text goes on here." for n in range(20)), False),
        ("One . . . . . 2\nTwo", False),
    ],
)
def test_lists_of_contents(text: str, listing: bool) -> None:
    assert is_listing(text) is listing


@pytest.mark.parametrize("text", ["", " \n ", "!!! ???", "\ud800 lone", "a" * 9000])
def test_odd_texts_have_an_index(text: str) -> None:
    given = document(text, text)
    made = index(given)
    assert len(made.entries("absent")[0]) == 0
    assert [len(each) for each in score([made], {"absent": 1.0})] == [len(made.passages)]
