import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.errors import UsageError
from gemcli.ingest.ranges import Clip, Selection, compact, parse, split_fragment

numbers = st.integers(1, 300)
pieces = st.one_of(
    numbers.map(lambda n: (str(n), {n})),
    st.tuples(numbers, st.integers(0, 40)).map(
        lambda p: (f"{p[0]}-{p[0] + p[1]}", set(range(p[0], p[0] + p[1] + 1)))
    ),
    numbers.map(lambda n: (f"{n}-", set(range(n, 401)))),
    numbers.map(lambda n: (f"-{n}", set(range(1, n + 1)))),
)


@settings(deadline=None)
@given(st.lists(pieces, min_size=1, max_size=8), st.sampled_from(["", " "]))
def test_a_range_means_the_union_of_its_pieces(chosen, space):
    text = f",{space}".join(piece for piece, _ in chosen)
    wanted = set().union(*(meant for _, meant in chosen))
    spans = parse(text, "page").within(400, "x.pdf")
    got = [number for first, last in spans for number in range(first, last + 1)]
    assert got == sorted(wanted)


@settings(deadline=None)
@given(st.sets(st.integers(1, 60)))
def test_compact_lists_are_read_back(chosen):
    text = compact(sorted(chosen))
    if not chosen:
        assert text == ""
        return
    spans = parse(text, "page").within(60, "x.pdf")
    assert {number for first, last in spans for number in range(first, last + 1)} == chosen


@settings(deadline=None)
@given(st.text(max_size=12))
def test_any_text_is_a_range_or_a_usage_error(text):
    try:
        selection = parse(text, "line")
    except UsageError:
        return
    assert all(first >= 1 and (last is None or last >= first) for first, last in selection.spans)


@pytest.mark.parametrize("text", ["", ",", "0", "0-3", "5-3", "a", "1-2-3", "3,", "1--2", "٣", "1.5", "-"])
def test_malformed_ranges(text):
    with pytest.raises(UsageError) as caught:
        parse(text, "page")
    assert caught.value.exit_code == 2
    assert repr(text) in caught.value.message


def test_a_range_outside_names_the_count():
    with pytest.raises(UsageError, match=r"x\.pdf has 40 pages") as caught:
        parse("3-41", "page").within(40, "x.pdf")
    assert "between 1 and 40" in caught.value.hint


def test_a_range_for_all_files_is_clipped_but_never_empty():
    selection = parse("2-9", "page", exact=False)
    assert selection.within(4, "x.pdf") == [(2, 4)]
    assert selection.clipped(4)
    assert not selection.clipped(9)
    with pytest.raises(UsageError, match="has 1 page:"):
        selection.within(1, "x.pdf")


@pytest.mark.parametrize(
    ("argument", "base", "spans"),
    [
        ("deal.pdf#page=3-9,12", "deal.pdf", ((3, 9), (12, 12))),
        ("a#b.pdf#pages=1", "a#b.pdf", ((1, 1),)),
        ("notes.md#line=10-", "notes.md", ((10, None),)),
        ("-#page=2", "-", ((2, 2),)),
    ],
)
def test_fragments(argument, base, spans):
    found, selection = split_fragment(argument)
    assert found == base
    assert selection is not None
    assert selection.spans == spans


@pytest.mark.parametrize("argument", ["plain.pdf", "c#", "notes#1", "#page=3", "x.md#heading"])
def test_what_is_no_fragment_stays_a_name(argument):
    assert split_fragment(argument) == (argument, None)


def test_an_unknown_range_is_refused():
    with pytest.raises(UsageError, match="#chapter="):
        split_fragment("talk.mp4#chapter=10")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("10:00,12:30", 600, 750),
        ("90-120", 90, 120),
        ("1:02:03.5", 3723.5, None),
        (",30", None, 30),
        ("1m30s,", 90, None),
    ],
)
def test_times(text, start, end):
    assert split_fragment(f"talk.mp4#t={text}") == ("talk.mp4", Clip(start, end))


@pytest.mark.parametrize("text", ["", ",", "abc", "10,5", "5,5", "1:2:3:4"])
def test_what_is_no_time(text):
    with pytest.raises(UsageError, match=r"time|stretch"):
        split_fragment(f"talk.mp4#t={text}")


def test_overlaps_are_merged():
    assert parse("5-,1-3,2-4,4", "page") == Selection("page", ((1, None),), "5-,1-3,2-4,4")
