"""Stop strings end a text where they are complete first, however it is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tokenizer.stops import StopStrings

texts = st.text("abc\n", max_size=40)
stops = st.lists(st.text("abc\n", min_size=1, max_size=5), max_size=4)


def naive(text: str, stops: list[str]) -> tuple[str, bool]:
    for end in range(len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))], True
    return text, False


@given(text=texts, stops=stops, cuts=st.lists(st.integers(0, 40)))
def test_the_result_is_the_naive_one_for_every_cut(text: str, stops: list[str], cuts: list[int]) -> None:
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    machine = StopStrings(stops)
    emitted, hit = "", False
    for left, right in pairwise(borders):
        safe, hit = machine.push(text[left:right])
        emitted += safe
        assert naive(text, stops)[0].startswith(emitted)
    assert (emitted + machine.flush(), hit) == naive(text, stops)


@given(text=texts, stops=stops)
def test_no_more_is_held_back_than_a_stop_string_could_need(text: str, stops: list[str]) -> None:
    machine = StopStrings(stops)
    emitted = ""
    for at, character in enumerate(text):
        safe, hit = machine.push(character)
        emitted += safe
        if hit:
            break
        held = text[len(emitted) : at + 1]
        assert held == "" or any(stop.startswith(held) for stop in stops)


def test_nothing_comes_after_a_hit() -> None:
    machine = StopStrings(["END"])
    assert machine.push("a EN") == ("a ", False)
    assert machine.push("D b") == ("", True)
    assert machine.push("c") == ("", True)
    assert machine.flush() == ""


def test_a_false_start_is_given_back() -> None:
    machine = StopStrings(["\n\nUser:"])
    assert machine.push("x\n\nUs") == ("x", False)
    assert machine.push("ed") == ("\n\nUsed", False)
    assert machine.push("\n") == ("", False)
    assert machine.flush() == "\n"


def test_without_stops_all_passes() -> None:
    assert StopStrings([]).push("anything") == ("anything", False)


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        StopStrings(["a", ""])
