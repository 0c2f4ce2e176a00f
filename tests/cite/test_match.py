"""Quotes are found where they stand, whatever the lines are broken like; invented ones never are."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemcli.cite.match import Sources
from gemcli.cite.normal import normal
from gemcli.parts import Anchor, Document, Text

LICENSE = (Path(__file__).parents[2] / "LICENSE").read_text()


def document(*texts: Text, source: str = "a.txt") -> Document:
    return Document(source, "text/plain", "0" * 64, texts)


TEXT = (
    "The exam-\nple  is “well-\nknown” —  it cost 15 percent,\nor −5 degrees, and 1.5 m or 1,250.75 euros.\n"
    "The ﬁne print (of 2019) is on the last\nline: Aspirin, Ibuprofen."
)
SOURCES = Sources(
    [document(Text(TEXT, Anchor(lines=(11, 16)))), document(Text("Cats are fine.", Anchor(page=3)))]
)


@pytest.mark.parametrize(
    ("quote", "lines"),
    [
        ("The example is", (11, 12)),
        ("well-known", (12, 13)),
        ('"well-known" - it cost 15 percent', (12, 13)),
        ("15 percent, or -5 degrees", (13, 14)),
        ("The fine print (of 2019) is on the last line", (15, 16)),
        ("Aspirin, Ibuprofen", (16, 16)),
        ("1.5 m or 1,250.75 euros.", (14, 14)),
    ],
)
def test_a_quote_is_found_in_its_lines(quote: str, lines: tuple[int, int]) -> None:
    found = SOURCES.cite(quote)
    assert found.verified
    assert (found.source, found.anchor.lines) == ("a.txt", lines)


@pytest.mark.parametrize(
    "quote",
    [
        "5 percent", "5 degrees", "5 m", ".5 m", "250.75 euros", "1,250", "the example is",
        "xample", "Ibuprof", "ine print", "The fine print of 2019", "cost 16 percent",
        "on the last line Aspirin", "", " - ", "Cats are fine. The", "euros. The fine print was",
        "...",
    ],
)  # fmt: skip
def test_what_does_not_stand_there_is_not_verified(quote: str) -> None:
    assert not SOURCES.cite(quote).verified


def test_a_sentence_may_be_ended_by_who_quotes_it() -> None:
    found = SOURCES.cite("it cost 15 percent.")
    assert found.verified
    assert found.quote == "it cost 15 percent"


def test_what_is_alike_tells_where_it_may_be_from() -> None:
    found = SOURCES.cite("The fine print of 2019 is on the very last line")
    assert not found.verified
    assert found.source == "a.txt"
    assert SOURCES.cite("Nothing of the kind was ever written down").source == ""


def test_what_stands_twice_is_taken_where_it_is_looked_for() -> None:
    pages = [Text("Said again and again.", Anchor(page=page)) for page in (1, 2, 3)]
    both = Sources([document(*pages, source="one.pdf"), document(*pages, source="two.pdf")])
    found = both.cite("again and again", ("two.pdf", Anchor(page=2)))
    assert (found.source, found.anchor.page) == ("two.pdf", 2)
    assert both.cite("again and again").source == "one.pdf"


def test_our_own_notes_are_no_source() -> None:
    note = Text("(a picture that cannot be decoded)", Anchor(page=1), via="note")
    assert not Sources([document(note)])
    assert Sources([document(note, Text("Heard words.", via="speech"))]).cite("Heard words").verified
    assert not Sources([document(note, Text("Heard words."))]).cite("cannot be decoded").verified


@pytest.fixture(scope="module")
def licence() -> Sources:
    lines = LICENSE.splitlines(keepends=True)
    parts = [
        Text("".join(lines[at : at + 40]), Anchor(lines=(at + 1, min(at + 40, len(lines)))))
        for at in range(0, len(lines), 40)
    ]
    return Sources([document(*parts, source="LICENSE")])


def test_real_quotes_are_verified_and_changed_ones_never(licence: Sources) -> None:
    """Words of a real text, and the same with one thing invented."""
    chance = random.Random(5)
    flat = re.sub(r"\s+", " ", LICENSE)
    letters = re.sub(r"[\W_]+", "", LICENSE)
    words = LICENSE.split()
    found = 0
    for _ in range(300):
        at = chance.randrange(len(words) - 12)
        some = words[at : at + chance.randint(4, 12)]
        citation = licence.cite(" ".join(some))
        if citation.verified:
            found += 1
            first, last = citation.anchor.lines or (0, 0)
            there = " ".join("\n".join(LICENSE.splitlines()[first - 1 : last]).split())
            assert citation.quote in there
        place = chance.randrange(len(some))
        changed = list(some)
        match chance.randrange(4):
            case 0:
                changed[place] = changed[place] + "s"
            case 1:
                del changed[place]
            case 2:
                changed[place] = chance.choice(words)
            case _:
                changed.insert(place, "not")
        invented = " ".join(changed)
        if re.sub(r"[\W_]+", "", invented) not in letters:
            assert not licence.cite(invented).verified, invented
    assert found > 250, "the others cross the border of two parts"
    assert licence.cite(flat[1000:1100].strip()).quote


@given(st.text(alphabet="ab -\n‐“’ﬁ…\xad\u200b.,5", max_size=60))
def test_the_normal_form_knows_its_places(text: str) -> None:
    for whole in (True, False):
        form = normal(text, whole=whole)
        assert not re.search(r"\s\s|[\n“’ﬁ…\xad\u200b]", form.text)
        for at, each in enumerate(form.text):
            source = form.source(at)
            assert 0 <= source <= len(text)
            if each in "ab5,":
                assert text[source] == each
                assert form.at(source) == at
