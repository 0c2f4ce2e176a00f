"""Sentences and lines of documents, where quotes begin and end; and those that an answer is likely from."""

from __future__ import annotations

from gemcli.cite.near import near
from gemcli.cite.spans import quotable
from gemcli.parts import JOINT, Anchor, Document, Text


def document(*parts: Text) -> Document:
    return Document("a.txt", "text/plain", "0" * 64, parts)


def begins(text: str, **more: str) -> list[str]:
    (found,) = quotable([document(Text(text, Anchor(page=1), **more))])
    data = found.span.text
    assert data.decode() == found.form.text
    ends = [0, *found.span.ends]
    return [
        data[at : min((end for end in ends if end > at), default=at)].decode() for at in found.span.starts
    ]


def test_sentences_lines_and_bullets() -> None:
    text = (
        "Title Line\n\nThe first sen-\ntence, e.g. this one. It costs 3.5 euros (approx.) and\n"
        "more words follow. \n\n"
        "- a bullet here\n- another\n1) numbered\nNo end"
    )
    assert begins(text) == [
        "Title Line",
        "The first sentence, e.g. this one.",
        "It costs 3.5 euros (approx.) and more words follow.",
        "a bullet here",
        "another",
        "numbered",
        "No end",
    ]


def test_other_scripts() -> None:
    assert begins("他说了什么。这是第二句！") == ["他说了什么。", "这是第二句！"]


def test_headings_that_we_put_above_a_passage_are_not_quoted() -> None:
    heading = f"Part{JOINT}Chapter"
    assert begins(f"{heading}\nThe text. More.", heading=heading) == ["The text.", "More."]


def test_notes_of_ours_are_not_quoted() -> None:
    found = quotable([document(Text("(left out)", via="note"), Text("Kept.", via="ocr"))])
    assert [each.part for each in found] == [1]


def test_the_sentences_near_an_answer() -> None:
    text = " ".join(f"Sentence number {n} speaks of matter {n}." for n in range(40))
    text += " The period of the generator is 2^19937 - 1. Nothing else matters."
    texts = quotable([document(Text(text)), document(Text("Elsewhere. Nothing at all."))])
    (kept,) = near(texts, "It is 19937.", "What is the period of the generator?")
    starts = [kept.span.text[at : at + 10].decode() for at in kept.span.starts]
    assert starts == ["The period"]
    assert near(texts, "Quux", "Foo?") == texts
