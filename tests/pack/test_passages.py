"""Passages hold every character once, end where a reader would pause, and know where they stand."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.pack.passages import LEAST, MOST, cut, passages, pauses
from gemcli.parts import Anchor, Document, Image, Part, Text

SENTENCE = "The quick brown fox jumps over the lazy dog near the river bank today. "


def document(*parts: Part) -> Document:
    return Document("a.txt", "text/plain", "0" * 64, parts)


def texts(given: Document) -> list[str]:
    return [each.text(given.parts) for each in passages(given)]


PIECES = st.text(max_size=40) | st.sampled_from(
    [SENTENCE * 9, "x" * 2000, "| a | b |\n" * 90, "日本語。" * 400]
)
ANCHORS = st.sampled_from(
    [Anchor(), Anchor(page=1), Anchor(page=2), Anchor(lines=(1, 4)), Anchor(seconds=(0, 9))]
)
TEXTS = st.builds(
    Text, st.lists(PIECES, max_size=4).map("\n\n".join), ANCHORS, st.sampled_from(["", "A", "A › B"])
)


@given(st.lists(TEXTS, max_size=6))
@settings(max_examples=80, deadline=None)
def test_every_character_is_in_one_passage_in_order(parts: list[Text]) -> None:
    given = document(*parts)
    ends = [0] * len(parts)
    last = -1
    for each in passages(given):
        for span in each.spans(given.parts):
            assert span.part >= last
            last = span.part
            assert span.start == ends[span.part]
            assert span.end > span.start
            ends[span.part] = span.end
    assert ends == [len(part.text) for part in parts]


@given(PIECES.map(lambda piece: piece * 3))
@settings(max_examples=40, deadline=None)
def test_no_passage_is_longer_than_it_may_be(text: str) -> None:
    sizes = [end - start for start, end in cut(text)]
    assert all(size <= MOST for size in sizes)
    assert sum(sizes) == len(text)


def test_prose_is_cut_behind_sentences() -> None:
    made = texts(document(Text(SENTENCE * 60)))
    assert len(made) > 2
    assert all(each.endswith(". ") and LEAST <= len(each) <= MOST for each in made)


def test_a_paragraph_is_kept_whole_where_it_can_be() -> None:
    paragraph = SENTENCE * 11
    made = texts(document(Text("\n\n".join([paragraph] * 6))))
    assert [each.strip() for each in made] == [paragraph.strip()] * 6


def test_a_table_is_cut_between_rows_and_a_section_before_its_heading() -> None:
    rows = "".join(f"| {number} | a name | {number * 7} euros |\n" for number in range(200))
    assert all(each.endswith("|\n") for each in texts(document(Text(rows))))
    sections = "".join(f"## Section {number}\n\n{SENTENCE * 10}\n\n" for number in range(6))
    assert all(each.startswith("## Section") for each in texts(document(Text(sections))))


def test_a_text_without_any_place_is_cut_all_the_same() -> None:
    assert "".join(texts(document(Text("x" * 5000)))) == "x" * 5000


def test_chinese_is_cut_behind_sentences() -> None:
    assert all(each.endswith("。") for each in texts(document(Text("我们在河边看到一只狐狸。" * 400))))


def test_small_parts_at_one_place_are_joined_and_others_are_not() -> None:
    cues = [Text(f"Cue {number}.", Anchor(seconds=(number * 4.0, number * 4.0 + 3))) for number in range(20)]
    given = document(*cues)
    found = passages(given)
    assert 1 < len(found) < 6
    first = found[0].anchor(given.parts).seconds
    assert first is not None
    assert first[0] == 0.0
    assert first[1] <= 63
    assert found[0].text(given.parts).startswith("Cue 0.\nCue 1.")
    pages = document(Text("One.", Anchor(page=1)), Text("Two.", Anchor(page=2)))
    assert len(passages(pages)) == 2
    spoken = document(Text("One.", Anchor(page=1)), Text("Two.", Anchor(page=1), via="ocr"))
    assert len(passages(spoken)) == 2
    sections = document(Text("One.", heading="A"), Text("Two.", heading="B"))
    assert len(passages(sections)) == 2


def test_lines_are_those_of_the_passage() -> None:
    lines = [f"Line {number} says something that is forty characters.\n" for number in range(100, 180)]
    given = document(Text("".join(lines), Anchor(lines=(100, 179))))
    at = 100
    for each in passages(given):
        text = each.text(given.parts)
        first, last = each.anchor(given.parts).lines or (0, 0)
        assert first == at
        assert text == "".join(lines[first - 100 : last - 99])
        at = last + 1
    assert at == 180


def test_lines_that_are_not_those_of_the_text_are_left_alone() -> None:
    given = document(Text(SENTENCE * 60, Anchor(lines=(3, 9))))
    assert {each.anchor(given.parts) for each in passages(given)} == {Anchor(lines=(3, 9))}


def test_pictures_are_in_no_passage() -> None:
    picture = Image(4, 4, lambda: None)  # type: ignore[arg-type, return-value]
    given = document(Text("One."), picture, Text("Two."))
    assert texts(given) == ["One.", "Two."]


def test_pauses_prefer_sentences_to_words() -> None:
    assert pauses("One two. Three four.\nFive") == [9, 21]
    assert pauses("one two three") == [4, 8]
    assert pauses("one") == []
