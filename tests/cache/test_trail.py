"""A name stands for everything that a state depends on, and for nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model.cache.trail import trail
from model.engine import plan
from model.prompt import Soft

IDS = list(range(3000))


def soft(first: int, count: int = 100, *, value: float = 1.0, key: str = "", is_block: bool = True) -> Soft:
    return Soft(first, np.full((count, 4), value, np.float32), is_block, key)


def names(*given: object, **options: object) -> list[str]:
    return [step.name for step in trail(*given, **options).steps]  # pyright: ignore


def test_steps_take_every_token_once_and_end_at_the_marks() -> None:
    made = trail(IDS, marks=(1500, 2999))
    assert [step.first for step in made.steps] == [0, *(step.end for step in made.steps[:-1])]
    assert made.steps[-1].end == len(made) == 3000
    assert 1500 in [step.end for step in made.steps]
    assert (made.marks, made.mark) == ((1500, 2999), 2999)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=6).map(
        lambda each: [each[at % len(each)] for at in range(2600)]
    ),
    st.integers(0, 2600),
    st.integers(1, 900),
    st.lists(st.integers(1, 2600), max_size=3),
)
def test_what_begins_alike_is_named_alike(ids: list[int], same: int, more: int, marks: list[int]) -> None:
    ours = trail(ids, marks=marks)
    theirs = trail([*ids[:same], *[7] * more], marks=[mark for mark in marks if mark <= same])
    for step in ours.steps:
        shared = [each for each in theirs.steps if each.end == step.end]
        if shared and step.end <= same and _cuts(ours, step.end) == _cuts(theirs, step.end):
            assert shared[0].name == step.name
        elif shared:
            assert shared[0].name != step.name
    # Whatever follows, all whole chunks before the first difference are shared.
    whole = [step for step in ours.steps if step.size == step.taken == plan.LARGEST]
    first = min([same, *plan.kept(marks, len(ids))])
    for step in whole:
        if step.end <= min(first, len(theirs) - plan.LARGEST):
            assert step.name in {each.name for each in theirs.steps}


def _cuts(made: object, end: int) -> list[tuple[int, int]]:
    return [(step.end, step.size) for step in made.steps if step.end <= end]  # pyright: ignore


def test_every_token_counts() -> None:
    other = list(IDS)
    other[1023] += 1
    assert names(other)[0] != names(IDS)[0]
    other = list(IDS)
    other[1024] += 1
    assert names(other)[0] == names(IDS)[0]
    assert all(ours != theirs for ours, theirs in zip(names(other)[1:], names(IDS)[1:], strict=True))


def test_what_is_seen_counts_from_where_it_stands() -> None:
    seen = names(IDS, [soft(1100)])
    assert seen[0] == names(IDS)[0]
    assert not set(seen[1:]) & set(names(IDS))
    for other in (
        soft(1100, value=2.0),
        soft(1100, is_block=False),
        soft(1101),
        soft(1100, 99),
        soft(1100, key="k"),
        soft(1000),
    ):
        assert not set(names(IDS, [other])[1:]) & set(seen[1:])
    assert names(IDS, [soft(1100, key="k", value=9.0)]) == names(IDS, [soft(1100, key="k")])
    assert names(IDS, [soft(1100)]) == names(IDS, [soft(1100)]), "without a key the numbers are looked at"


def test_a_block_across_a_border_counts_on_both_sides() -> None:
    for at in (960, 1020):
        ours, theirs = (names(IDS, [soft(at, value=value)]) for value in (1.0, 2.0))
        assert not set(ours) & set(theirs)


def test_the_rest_of_a_prompt_has_its_own_chunks_or_none() -> None:
    made = trail(IDS, marks=(1500,))
    assert made.rest(0) == made.steps
    assert made.rest(1500) == tuple(step for step in made.steps if step.first >= 1500)
    free = made.rest(1501)
    assert [step.name for step in free] == [""] * len(free)
    assert (free[0].first, free[-1].end) == (1501, 3000)


def test_pictures_stay_whole_in_what_is_cut_anew() -> None:
    made = trail(IDS, [soft(1500, 300), soft(2400, 200)], blocks_whole=True)
    for done in (1, 1400, 1499, 1801):
        ends = [step.end for step in made.rest(done)]
        assert not [end for end in ends if 1500 < end < 1800 or 2400 < end < 2600]


def test_marks_close_together_are_one() -> None:
    assert plan.kept([100, 300, 350, 2990, 3000, 4000], 3000) == (300, 2990)
    assert plan.kept([300, 700], 5000)[:1] == plan.kept([300], 400)
