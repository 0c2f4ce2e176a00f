"""Words are found by their forms, in any script; questions without content are told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemcli.pack.terms import stem, terms, wanted, words


def found(text: str) -> set[str]:
    return {term for word in words(text) for term in terms(word)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("index", "indexing"),
        ("index", "indexes"),
        ("city", "cities"),
        ("class", "classes"),
        ("calculate", "calculation"),
        ("calculated", "calculating"),
        ("compute", "computing"),
        ("plan", "planned"),
        ("installation", "install"),
        ("quick", "quickly"),
        ("run", "running"),
        ("limit", "limited"),
        ("Connection", "connections"),
        ("box", "boxes"),
        ("vary", "varies"),
    ],
)
def test_forms_of_a_word_are_the_same(one: str, other: str) -> None:
    assert found(one) & found(other)


@pytest.mark.parametrize(
    ("one", "other"), [("bus", "bu"), ("this", "thi"), ("station", "state"), ("sing", "s"), ("red", "r")]
)
def test_other_words_are_not(one: str, other: str) -> None:
    assert stem(one) != stem(other)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("read_table()", "read_table"),
        ("read_table", "read"),
        ("na.rm = TRUE", "na.rm"),
        ("readTable", "tabl"),
        ("readTable", "readtable"),
        ("HTTPServer", "server"),
        ("re-use", "use"),
        ("co\u00adoperate", "cooper"),
        ("NAÏVE", "naive"),
        ("Straße", "strasse"),
        ("2,415 pages", "415"),
        ("v1.2.3", "v1.2.3"),
        ("ﬁle", "file"),
        ("東京都", "京都"),
        ("서울에서", "서울"),
        ("договором", "догов~"),
        ("O'Neil", "neil"),
    ],
)
def test_what_a_text_is_found_by(text: str, term: str) -> None:
    assert term in found(text)


def test_a_question_is_its_words_of_content() -> None:
    assert [word[0] for word in wanted("What is the default value of na.rm in mean()?")] == [
        "default",
        "valu",
        "na.rm",
        "mean",
    ]
    assert wanted("Explain the notice period")[-1] == ("explain",)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "summarize this",
        "What is this document about?",
        "Give me the main points!",
        "TLDR?",
        "Résumé?",
        "and?",
    ],
)
def test_a_question_that_asks_for_nothing_in_particular(question: str) -> None:
    assert wanted(question) == []


@given(st.text())
def test_any_text_has_terms_without_white_space(text: str) -> None:
    for term in found(text):
        assert term
        assert not any(char.isspace() for char in term)
