"""Headings are found where they begin, once, and nothing else is taken for one."""

import pytest

from gemcli.pack.outline import Heading, outline
from gemcli.parts import Anchor, Document, Text


def document(media_type, *texts):
    parts = tuple(
        text if isinstance(text, Text) else Text(text, Anchor(page=number))
        for number, text in enumerate(texts, 1)
    )
    return Document("a", media_type, "", parts)


def titles(*texts, media_type="application/pdf"):
    return [(each.part + 1, each.level, each.title) for each in outline([document(media_type, *texts)])]


def test_the_headings_that_a_handler_knows():
    found = outline(
        [
            document(
                "application/epub+zip",
                Text("One\n\nx", heading="One"),
                Text("Deep\n\nx", heading="One › A › Deep"),
                Text("more", heading="One › A › Deep"),
                Text("B", heading="One › B"),
                Text("x\n\nDeep", heading="Two › A › Deep"),
            )
        ]
    )
    assert [(each.part, each.level, each.title) for each in found] == [
        (0, 1, "One"),
        (1, 2, "A"),
        (1, 3, "Deep"),
        (3, 2, "B"),
        (4, 1, "Two"),
        (4, 2, "A"),
        (4, 3, "Deep"),
    ]
    assert found[-1] == Heading(0, 4, 3, 3, "Deep")


def test_chapters_of_a_book_with_contents_and_running_heads():
    contents = "Contents\n\n" + "".join(
        f"{number}  Title {name} . . . . . . {number * 9}\n\n" for number, name in enumerate("abcdefgh", 1)
    )
    assert titles(
        contents,
        "9\n1 Title A\n\n1.1 Scope\n\nText of it,\n1 so to say, wrapped\nlines.\n\n2019 was a year.",
        "Chapter 1: Title A  10\n\nmore\n\n1.2 Scope\n\ntext",
        "11\n2 Title B\n\ntext\n\n1. a list's item, in small letters\n\n7 Dwarfs Appear",
        "Chapter 2: Title B  12\n\nmore\n\n3.1 Deep Inside\n\nmore",
        "Appendix A Tables\n\ntext\n\nA.1 First Table",
    ) == [
        (2, 1, "1 Title A"),
        (2, 2, "1.1 Scope"),
        (3, 2, "1.2 Scope"),
        (4, 1, "2 Title B"),
        (5, 2, "3.1 Deep Inside"),
        (6, 1, "Appendix A Tables"),
        (6, 2, "A.1 First Table"),
    ]


def test_a_title_on_the_line_below_the_word():
    assert titles("CHAPTER IV\nThe Return\n\nIt was night.", media_type="text/plain") == [
        (1, 1, "CHAPTER IV: The Return")
    ]


def test_capitals_and_underlines():
    assert titles("LIMITATION OF LIABILITY\n\nNone.\n\nNOTICES\n\nBy post.", media_type="text/plain") == [
        (1, 1, "LIMITATION OF LIABILITY"),
        (1, 1, "NOTICES"),
    ]
    assert titles("Title\n=====\n\ntext\n\nno title\n\n----", media_type="text/x-rst") == [(1, 1, "Title")]


@pytest.mark.parametrize(
    "line",
    [
        "1 The sentence goes on here, and ends with a stop.",
        "1 x <- c(1, 2)",
        "12",
        "1 1.5 2.0 7",
        "chapter 3 of the book says that",
        "A" * 120,
        "",
    ],
)
def test_what_is_no_heading(line):
    assert titles(f"text before\n\n{line}\n\ntext behind") == []


def test_markdown_with_a_fence_across_parts():
    assert titles(
        "# One #\n\n```sh\n# a comment\n", "# another\n```\n\n### Deep\n", media_type="text/markdown"
    ) == [(1, 1, "One"), (2, 3, "Deep")]


def test_tex_and_code():
    assert titles(r"\chapter{One}\section*{Two}", media_type="text/x-tex") == [(1, 1, "One"), (1, 2, "Two")]
    assert titles("# comment\n\n1 Comment\n\n", media_type="text/x-python") == []
