"""A model's notes become points at places that the window holds, each said once."""

import pytest

from gemcli.pack.outline import Heading
from gemcli.pack.windows import cut
from gemcli.parts import Anchor, Document, Text
from gemcli.reading.points import points
from gemcli.reading.wording import note_question

PAGES = {
    4: "Termination: either party may end this agreement with thirty days notice.",
    5: "Payment is due within ten days; interest of five percent follows.",
    6: "The law of Norway governs. Disputes go to the court of Oslo.",
}


def window(*documents):
    (made,) = cut(documents, 10_000, cost=lambda part: len(part.text))
    return made


@pytest.fixture
def contract():
    parts = tuple(Text(text, Anchor(page=page)) for page, text in PAGES.items())
    return window(Document("x/contract.pdf", "application/pdf", "", parts))


def places(answer, window, **options):
    return [(each.text, each.anchor.page) for each in points(answer, window, **options)]


@pytest.mark.parametrize(
    "anchor",
    [
        "[contract.pdf p.5]",
        "[x/contract.pdf p.5]",
        "[p.5]",
        "(page 5)",
        "[contract.pdf p. 5]",
        "[contract.pdf p.5-6]",
        "[Contract p.5].",
        "[contract.pdf p.5][contract.pdf p.77]",
    ],
)
def test_an_anchor_is_known_however_it_is_written(contract, anchor):
    ((text, page),) = places(f"- Interest is five percent {anchor}", contract)
    assert text.rstrip(".") == "Interest is five percent"
    assert page == 5


@pytest.mark.parametrize("anchor", ["", " [contract.pdf p.99]", " [contract.pdf p.4]", " [p.0]"])
def test_a_missing_or_wrong_anchor_is_corrected(contract, anchor):
    assert places(f"* Disputes go to the court of Oslo{anchor}", contract) == [
        ("Disputes go to the court of Oslo", 6)
    ]


def test_a_point_in_other_words_stays_where_the_model_put_it(contract):
    assert places("- Ambiguous wording [contract.pdf p.5]", contract) == [("Ambiguous wording", 5)]


def test_short_points_are_told_apart_by_their_signs_and_stay_where_they_were_put(contract):
    answer = "- pay - [contract.pdf p.6]\n- ?pay [contract.pdf p.5]\n- Pay. [contract.pdf p.5]"
    assert places(answer, contract) == [("pay", 6), ("?pay", 5)]


def test_other_brackets_stay(contract):
    ((text, _),) = places("- f(x, y) gives [a] (see above) [L2] (1:30)", contract)
    assert text == "f(x, y) gives [a] (see above) [L2] (1:30)"


@pytest.mark.parametrize("answer", ["nothing", "- Nothing.", "None", "", " \n ", "NOTHING\n\nto note"])
def test_nothing_is_nothing(contract, answer):
    assert points(answer, contract) == []


def test_repeated_lines_echoes_and_introductions_are_dropped(contract):
    answer = "\n".join(
        [
            "Here are the notes:",
            "- Payment is due within ten days [contract.pdf p.5]",
            "2. payment is due within ten days! [contract.pdf p.4]",
            "- The text above is one part of a longer text.",
            "- nothing",
            "- Norway's law governs",
        ]
    )
    assert places(answer, contract) == [("Payment is due within ten days", 5), ("Norway's law governs", 6)]
    assert "The text above is one part of a longer text" in note_question("Why?", "a p.1")


def test_a_line_that_was_cut_is_left_out(contract):
    assert places("- Norway's law governs\n- Payment is d", contract, cut=True) == [
        ("Norway's law governs", 6)
    ]
    assert places("- Norway's law gov", contract, cut=True) == [("Norway's law gov", 6)]


def test_lines_and_seconds():
    both = window(
        Document("a.md", "text/markdown", "", (Text("alpha beta", Anchor(lines=(40, 58))),)),
        Document("b.mp4", "video/mp4", "", (Text("gamma delta", Anchor(seconds=(600.0, 630.0))),)),
    )
    answer = "- about gamma delta [b.mp4 00:10:05]\n- Alpha [a.md L44-50]\n- beta [a.md L40-58] yes"
    assert [(each.text, each.place) for each in points(answer, both)] == [
        ("about gamma delta", (1, 0)),
        ("Alpha", (0, 0)),
        ("beta yes", (0, 0)),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "- 2.1 The court: Norway's law",
        "2.1 The court - Norway's law",
        "- The Court: Norway's law",
        "**2.1 The court**: Norway's law",
        "## 2.1\n- the court … Norway's law",
    ],
)
def test_a_line_that_begins_with_a_heading_stands_below_it(contract, line):
    headings = [Heading(0, 1, 7, 2, "2.1 The court"), Heading(0, 2, 3, 2, "2.2 The courtyard")]
    (point,) = points(line, contract, headings=headings)
    assert (point.text, point.place, point.anchor.page, point.at) == ("Norway's law", (0, 1), 5, 7)


def test_a_heading_from_before_the_window_stands_at_its_beginning(contract):
    (point,) = points("- Old: x y", contract, headings=[Heading(3, 9, 0, 1, "Old")])
    assert (point.text, point.place, point.at) == ("x y", (0, 0), -1)


def test_a_heading_alone_says_nothing(contract):
    headings = [Heading(0, 1, 7, 2, "2.1 The court")]
    assert points("- 2.1 The court: …\n- 2.1 The court\n- The courts agree", contract, headings=headings)[
        0
    ].text == ("The courts agree")
