"""What is read of documents for a question: what matters, in order, within the budget, and said."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.bench.answers import read_questions
from gemcli.pack.compose import compose
from gemcli.pack.select import Selection, select
from gemcli.parts import Anchor, Document, Image, Part, Text

DATA = Path(__file__).parents[1] / "data"
FILLER = ["river", "stone", "garden", "window", "yellow", "morning", "letter", "silver", "engine", "paper"]


def count(text: str) -> int:
    """About what a tokenizer says."""
    return -(-len(text) * 10 // 33)


def prose(seed: int, sentences: int = 12) -> str:
    chance = random.Random(seed)
    return " ".join(
        f"{chance.choice(FILLER).capitalize()} {' '.join(chance.choices(FILLER, k=9))}."
        for _ in range(sentences)
    )


def book(name: str = "book.pdf", pages: int = 60, seed: int = 0, **said: str) -> Document:
    """Pages of noise; `said` puts sentences on pages: p12="The fee is 40 euros."."""
    parts = [
        Text(
            f"{prose(seed * 1000 + n)} {said.get(f'p{n}', '')} {prose(seed * 1000 + n + 500)}", Anchor(page=n)
        )
        for n in range(1, pages + 1)
    ]
    return Document(name, "application/pdf", "0" * 64, tuple(parts))


def choose(documents: list[Document], question: str, tokens: int = 800, **options: object) -> Selection:
    return select(documents, question, tokens=tokens, count=count, keep=False, **options)  # type: ignore[arg-type]


def pages(selection: Selection, document: int = 0) -> list[int | None]:
    return [each.page for each in selection.read[document]]


def test_the_passage_with_the_answer_is_read_and_the_numbers_are_said() -> None:
    given = book(p31="The cancellation fee amounts to 40 euros.")
    found = choose([given], "How high is the fee for a cancellation?")
    assert 31 in pages(found)
    assert "40 euros" in compose(found.documents, "").text
    assert found.how == "words"
    assert found.tokens_read <= 800
    assert found.tokens_given == sum(count(part.text) for part in given.parts if isinstance(part, Text))
    assert f"read {found.tokens_read:,} of {found.tokens_given:,} tokens" in found.note()
    assert "--overflow map" in found.note()
    assert found.documents[0].source == given.source


def test_passages_stand_in_the_order_of_the_document() -> None:
    given = book(p50="A cancellation costs forty.", p3="Cancellation is free.", p20="Cancellation by letter.")
    found = pages(choose([given], "cancellation", 2000))
    assert {3, 20, 50} <= set(found)
    assert found == sorted(found, key=lambda page: page or 0)


def test_all_words_close_together_win_over_one_word_often() -> None:
    given = book(
        p10="Fee fee fee fee fee fee fee, and again the fee.",
        p40="The annual licence fee is 99 euros.",
    )
    assert pages(choose([given], "What is the annual licence fee?", 400))[0] == 40


def test_every_document_has_its_best_passage() -> None:
    strong = book("strong.pdf", p5="The deposit is 100.", p6="The deposit is 200.", p7="The deposit is 300.")
    weak = book("weak.pdf", seed=2, p50="Of a deposit nothing is known to the garden and its silver letter.")
    found = choose([strong, weak], "How high is the deposit?", 1500)
    assert 50 in pages(found, 1)
    assert {5, 6, 7} & set(pages(found, 0))


def test_a_heading_is_found_and_shown() -> None:
    parts = [Text(prose(n, 40), Anchor(page=n), f"Contract › Part {n}") for n in range(1, 20)]
    parts[8] = Text(prose(9, 40), Anchor(page=9), "Contract › Termination")
    found = choose([Document("c.pdf", "", "", tuple(parts))], "What does it say on termination?")
    assert set(pages(found)) == {9}
    first = found.documents[0].parts[0]
    assert isinstance(first, Text)
    assert first.text.startswith("Contract › Termination\n")


def test_lines_of_neighbours_are_joined_under_one_anchor() -> None:
    lines = [f"Item {n} is listed with the quorum {n % 7} and {prose(n, 1)}\n" for n in range(1, 400)]
    parts = tuple(
        Text("".join(lines[at : at + 57]), Anchor(lines=(at + 1, at + 57))) for at in range(0, 399, 57)
    )
    found = choose([Document("a.txt", "text/plain", "", parts)], "quorum of item 30", 3000)
    for part in found.documents[0].parts:
        assert isinstance(part, Text)
        first, last = part.anchor.lines or (0, 0)
        assert part.text == "".join(lines[first - 1 : last])
    assert any(len(part.text) > 2000 for part in found.documents[0].parts if isinstance(part, Text))


@pytest.mark.parametrize("question", ["Summarize this document.", "", "xylophone zeppelin"])
def test_without_words_to_look_for_all_of_the_document_is_sampled(question: str) -> None:
    found = choose([book(pages=200)], question, 3000)
    assert found.how == "spread"
    read = [page or 0 for page in pages(found)]
    assert read[:3] == [1, 1, 2] or read[:2] == [1, 2]
    assert max(read) > 150
    assert all(later - earlier < 60 for earlier, later in pairwise(read))
    assert 1500 < found.tokens_read <= 3000
    assert "from all over" in found.note()
    assert found.missing == (("xylophon", "zeppelin") if "xylo" in question else ())


def test_a_passage_that_does_not_fit_is_shown_around_the_words() -> None:
    text = "\n".join([*[prose(n, 1) for n in range(8)], "The cancellation fee is 40 euros.", prose(9, 1)])
    found = choose([Document("a.txt", "", "", (Text(text),))], "cancellation fee", 60)
    assert 0 < found.tokens_read <= 60
    assert "40 euros" in compose(found.documents, "").text


def test_nothing_fits() -> None:
    found = choose([book(pages=3)], "river", 3)
    assert found.tokens_read == 0
    assert found.documents[0].parts == ()


def test_pictures_stay_in_their_places() -> None:
    picture = Image(4, 4, lambda: None, Anchor(page=2))  # type: ignore[arg-type, return-value]
    parts: tuple[Part, ...] = (*book(pages=1).parts, picture, *book(p2="The fee is 40.", pages=2).parts[1:])
    found = choose([Document("a.pdf", "", "", parts)], "fee")
    assert [type(part).__name__ for part in found.documents[0].parts][-2:] == ["Image", "Text"]


def test_another_script() -> None:
    parts = [Text("这里写的是别的事情，河边有石头。" * 60, Anchor(page=n)) for n in range(1, 30)]
    parts[17] = Text(
        "这里写的是别的事情。" * 60 + "取消费用为四十欧元。" + "河边有石头。" * 40, Anchor(page=18)
    )
    found = choose([Document("a.pdf", "", "", tuple(parts))], "取消费用是多少？", 900)
    assert 18 in pages(found)
    assert "四十欧元" in compose(found.documents, "").text


QUESTIONS = st.sampled_from(
    ["fee river", "what is this?", "silver engine paper", "40", "", "the the", "日本"]
)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), QUESTIONS, st.integers(0, 2500))
@settings(max_examples=40, deadline=None)
def test_the_budget_is_kept_and_every_text_is_the_documents_own(
    sizes: list[int], question: str, tokens: int
) -> None:
    documents = [book(f"{n}.pdf", size, n, p2="The fee is 40.") for n, size in enumerate(sizes)]
    found = choose(documents, question, tokens)
    assert found.tokens_read <= tokens
    assert len(found.documents) == len(documents)
    for own, chosen in zip(documents, found.documents, strict=True):
        said = {part.anchor.page: part.text for part in own.parts if isinstance(part, Text)}
        at = 0
        for part in chosen.parts:
            assert isinstance(part, Text)
            page = part.anchor.page or 0
            assert part.text in said[page]
            assert page >= at
            at = page
    sent = compose([each for each in found.documents if each.parts], "").text
    introductions = sum(len(f"Document: {each.source}\n") for each in found.documents)
    assert count(sent) <= tokens + introductions + len("Question:") + 10


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [1_200, 2_000])
def test_answers_of_a_long_manual_are_in_what_is_read(material: Callable[[str], Path], tokens: int) -> None:
    """Of 2,415 pages, 95 % of the answers are in 1,200 tokens."""
    from gemcli.ingest.collect import collect

    path = material("fullrefman.pdf")
    documents = collect([str(path)], on_event=lambda event: None)
    asked = [each for each in read_questions(DATA / "answers-r.jsonl") if not each.absent]
    lost = []
    for each in asked:
        found = select(documents, each.text, tokens=tokens, count=count, given=0)
        texts = [part.text for part in found.documents[0].parts if isinstance(part, Text)]
        if not any(not each.missed(text) for text in texts):
            lost.append(each.text)
    assert len(lost) <= len(asked) // 20, lost
