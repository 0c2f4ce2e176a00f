"""What an answer cites by itself is found in it, and what it makes up is told from what is there."""

from __future__ import annotations

import pytest

from gemcli.cite.claims import claims, is_denial
from gemcli.cite.match import Citation, Sources
from gemcli.cite.quote import check
from gemcli.errors import CitationError
from gemcli.parts import Anchor, Document, Text

PAGES = tuple(
    Text(text, Anchor(page=page))
    for page, text in enumerate(("The ring is made of gold.", "Nobody knows who made it at all."), 1)
)
DOCUMENTS = [
    Document("docs/a.pdf", "application/pdf", "0" * 64, PAGES),
    Document("b.md", "text/markdown", "1" * 64, (Text("One.\nTwo.\n", Anchor(lines=(1, 2))),)),
    Document("c.mp3", "audio/mpeg", "2" * 64, (Text("Spoken.", Anchor(seconds=(60.0, 90.0)), via="speech"),)),
]


def found(answer: str) -> list[Citation]:
    return claims(answer, DOCUMENTS, Sources(DOCUMENTS))


def test_quotes_of_the_answer() -> None:
    good, bad = found('It says “The ring is made of gold.” and "nobody knows who stole it" [a.pdf p.2].')
    assert good.verified
    assert good.anchor.page == 1
    assert not bad.verified


def test_code_names_and_manners_of_speaking_are_no_quotes() -> None:
    assert found('The "gold" ring, a "so to speak" one: `"this is no quote at all"`.') == []
    assert found('```\nprint("this is no quote at all")\n```') == []


def test_places_that_are_not_there() -> None:
    answer = (
        "So [a.pdf p.2], [b.md L1-2], [c.mp3 00:01:15]; [a.pdf p.9], [b.md L7], [c.mp3 01:00:00], [d.pdf p.1]"
    )
    assert [(each.source, each.anchor, each.verified) for each in found(answer)] == [
        ("docs/a.pdf", Anchor(page=9), False),
        ("b.md", Anchor(lines=(7, 7)), False),
        ("c.mp3", Anchor(seconds=(3600.0, 3600.0)), False),
    ]


@pytest.mark.parametrize(
    ("answer", "is_one"),
    [
        ("Not in the documents.", True),
        ("The answer is not stated in the provided documents.", True),
        ("", True),
        (
            "It is not in the documents that the ring is of tin; the first page says that it is of gold.",
            False,
        ),
        ("The ring is of gold.", False),
    ],
)
def test_denials_need_no_citation(answer: str, is_one: bool) -> None:
    assert is_denial(answer) is is_one


def test_all_must_be_verified_where_that_is_asked_for() -> None:
    good = Citation("The ring", "docs/a.pdf", Anchor(page=1), verified=True)
    check([good], "Gold.")
    check([], "Not in the documents.")
    with pytest.raises(CitationError, match="Nobody stole it") as error:
        check([good, Citation("Nobody stole it")], "Gold.")
    assert error.value.exit_code == 8
    with pytest.raises(CitationError, match=r"\[a.pdf p.9\]"):
        check([Citation("", "a.pdf", Anchor(page=9))], "Gold.")
    with pytest.raises(CitationError, match="could be quoted"):
        check([], "Gold.")
