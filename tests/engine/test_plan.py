"""Chunks take every token once and pad little; caches come in few sizes and have room to spare."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.engine import plan

COUNTS = st.integers(1, 5000) | st.integers(1, 1 << 21)


@given(COUNTS)
def test_chunks_take_every_token_once(count: int) -> None:
    chunks = list(plan.chunks(count))
    assert sum(taken for taken, _ in chunks) == count
    assert all(0 < taken <= size for taken, size in chunks)
    assert {size for _, size in chunks} <= set(plan.CHUNKS)


@given(COUNTS)
def test_only_the_last_chunk_is_padded_and_little(count: int) -> None:
    *whole, (taken, size) = plan.chunks(count)
    assert all(taken == size for taken, size in whole)
    assert size - taken <= 64


@given(COUNTS)
def test_chunks_never_grow_and_are_few(count: int) -> None:
    sizes = [size for _, size in plan.chunks(count)]
    assert all(left >= right for left, right in pairwise(sizes))
    assert len(sizes) <= count // plan.LARGEST + len(plan.CHUNKS)


@pytest.mark.parametrize("size", plan.CHUNKS)
def test_a_count_that_is_a_size_is_one_chunk(size: int) -> None:
    assert list(plan.chunks(size)) == [(size, size)]


def test_nothing_to_take() -> None:
    assert list(plan.chunks(0)) == []


def test_large_sizes_double() -> None:
    """The half of one is one: a chunk that would be padded much is cut there."""
    large = [size for size in plan.CHUNKS if size >= 32]
    assert all(right == 2 * left for left, right in pairwise(large))
    assert sorted(plan.CHUNKS) == [*plan.CHUNKS]
    assert plan.CHUNKS[-1] == plan.LARGEST


@given(st.integers(0, 1 << 21))
def test_slots_hold_the_tokens_and_a_chunk_behind(tokens: int) -> None:
    slots = plan.slots(tokens)
    assert slots - plan.LARGEST >= tokens
    held = slots - plan.LARGEST
    assert held.bit_count() <= (1 if held <= 16_384 else 3), "few sizes, so few programs"
    assert held <= max(2 * tokens if tokens <= 16_384 else 1.25 * tokens, 2048)


@given(COUNTS)
def test_a_padded_chunk_never_reaches_beyond_the_slots(count: int) -> None:
    done, slots = 0, plan.slots(count)
    for taken, size in plan.chunks(count):
        assert done + size <= slots
        done += taken


@given(COUNTS.filter(lambda count: count < 20_000), st.data())
def test_runs_that_must_stay_whole_are_never_divided(count: int, data: st.DataObject) -> None:
    edges = data.draw(st.lists(st.integers(0, count), unique=True, max_size=8).map(sorted))
    whole = list(zip(edges[::2], edges[1::2], strict=False))
    done = 0
    for taken, size in plan.chunks(count, whole):
        assert 0 < taken <= size
        assert not any(begin < done + taken < end for begin, end in whole)
        assert size - taken < plan.LARGEST, "there is room for the padding behind a full cache"
        done += taken
    assert done == count
