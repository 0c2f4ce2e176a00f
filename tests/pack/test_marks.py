"""A mark stands where nothing before depends on what follows."""

from __future__ import annotations

from gemcli.pack.marks import LARGE, marks

BYTES = {0: b"", 1: b"a", 2: b"\n\n", 3: b"Question:", 4: b" why", 5: b"bb", 6: b"\n\nQ"}


def found(
    ids: list[int], turns: list, answers: list[str] | None = None, runs: list | None = None
) -> tuple[int, ...]:
    return marks(ids, BYTES.__getitem__, turns, answers or [], runs or [])


def test_where_the_question_begins() -> None:
    text = "aaa\n\nQuestion: why"
    assert found([0, 1, 1, 1, 2, 3, 4, 0], [(text, [5])]) == (5,)


def test_a_token_across_the_border_is_behind_it() -> None:
    assert found([0, 1, 6, 4], [("a\n\nQ why", [3])]) == (2,)


def test_control_tokens_before_a_question_without_documents() -> None:
    assert found([0, 0, 3, 4, 0], [("Question: why", [0])]) == (2,)


def test_every_turn_has_one() -> None:
    ids = [0, 1, 2, 3, 0, 5, 0, 3, 4, 0]
    assert found(ids, [("a\n\nQuestion:", [3]), ("Question: why", [0])], ["bb"]) == (3, 7)


def test_a_question_that_repeats_a_document() -> None:
    ids = [0, 3, 2, 3, 0]
    assert found(ids, [("Question:\n\nQuestion:", [11])]) == (3,)


def test_documents_that_follow_large_ones() -> None:
    ids = [0, *[1] * LARGE, *[5] * 10, *[1] * 10, 3]
    text = "a" * LARGE + "b" * 20 + "a" * 10 + "Question:"
    assert found(ids, [(text, [LARGE, LARGE + 20, LARGE + 30])]) == (LARGE + 1, LARGE + 21)


def test_what_is_seen_stands_before_what_follows_it() -> None:
    ids = [0, 1, 7, 7, 7, 3, 4]
    assert found(ids, [("aQuestion: why", [1])], runs=[(2, 5)]) == (5,)
    ids = [0, 1, 7, 7, 2, 3, 4]
    assert found(ids, [("a\n\nQuestion: why", [3])], runs=[(2, 4)]) == (5,)


def test_a_text_that_is_not_found_has_none() -> None:
    assert found([1, 1], [("Question:", [0])]) == ()
