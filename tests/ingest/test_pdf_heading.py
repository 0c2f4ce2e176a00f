import pytest

from gemcli.ingest.pdf_heading import Headings, by_looks

LONG = "Some words that fill the page up to a length that is worth a part of its own, at least eighty.\n"


def cut(entries, *pages):
    headings = Headings(entries)
    return [list(headings.cut(number, text)) for number, text in pages]


def test_a_page_is_cut_where_a_section_begins():
    (page,) = cut([(0, 1, "One"), (1, 1, "Two")], (1, f"One\n{LONG}2.1  Two\n{LONG}"))
    assert page == [(f"One\n{LONG}".strip(), "One"), (f"2.1  Two\n{LONG}".strip(), "One › Two")]


def test_a_section_goes_on_until_the_next():
    entries = [(0, 2, "A"), (1, 3, "B"), (0, 6, "C")]
    pages = cut(entries, (1, LONG), (2, "A\n" + LONG), (5, LONG), (6, "C\n" + LONG), (9, LONG))
    assert [path for page in pages for _, path in page] == ["", "A", "A › B", "C", "C"]


@pytest.mark.parametrize(
    "line", ["3.1 The Long Title", "the long\ntitle", "THE LONG TITLE", "3.1. The “long” title"]
)
def test_titles_are_found_however_they_are_set(line):
    (page,) = cut([(0, 1, "3.1 The long title")], (1, f"{LONG}{line}\n{LONG}"))
    assert [path for _, path in page] == ["", "3.1 The long title"]
    assert page[1][0].startswith(line)


def test_a_title_that_is_not_found_counts_for_its_page():
    (page,) = cut([(0, 1, "Elsewhere")], (1, LONG))
    assert page == [(LONG.strip(), "Elsewhere")]


def test_nothing_is_lost():
    text = f"Intro\n{LONG}\nA\nB\n{LONG}\n\nC\n{LONG}"
    (page,) = cut([(0, 1, "A"), (1, 1, "B"), (5, 1, "C"), (0, 1, "nowhere")], (1, text))
    assert " ".join(piece for piece, _ in page).split() == text.split()


def looks(*headings, letters=1000):
    return {"headings": list(headings), "body": [10.0, False], "letters": letters}


def test_larger_lines_are_headings():
    pages = {
        1: looks(("Title", 24.0, True), ("First", 14.0, True)),
        2: looks(("Detail", 10.0, True)),
        3: looks(("Second", 14.0, True)),
    }
    assert by_looks(pages) == [(0, 1, "Title"), (1, 1, "First"), (2, 2, "Detail"), (1, 3, "Second")]


def test_running_heads_and_bold_words_everywhere_are_none():
    pages = {
        number: looks(
            ("The Book", 14.0, False),
            (f"{number} A Journal, Vol. 85, No. 152 / Rules", 16.0, False),
            *((f"Term {number}{letter}", 10.0, True) for letter in "abcdef"),
            letters=1000,
        )
        for number in range(1, 9)
    }
    assert by_looks(pages) == []
    assert by_looks({}) == []
