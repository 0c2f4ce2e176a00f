"""Who sees whom: the formula against one sentence of plain Python."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from model.attention.mask import EMPTY, block_reach, visible

POSITIONS = st.lists(st.integers(EMPTY, 30), min_size=5, max_size=5)


@given(POSITIONS, POSITIONS, st.sampled_from([None, 1, 2, 8, 100]))
@settings(max_examples=200, deadline=None)
def test_the_formula(queries: list[int], keys: list[int], window: int | None) -> None:
    got = np.asarray(visible(jnp.array(queries), jnp.array(keys), window))
    for t, query in enumerate(queries):
        past = range(query + 1) if window is None else range(query - window + 1, query + 1)
        assert got[t].tolist() == [key != EMPTY and key in past for key in keys]


@given(
    POSITIONS, POSITIONS, st.lists(st.integers(0, 9), min_size=5, max_size=5), st.sampled_from([None, 2, 8])
)
@settings(max_examples=200, deadline=None)
def test_with_a_reach(queries: list[int], keys: list[int], beyond: list[int], window: int | None) -> None:
    reach = [query if query == EMPTY else query + more for query, more in zip(queries, beyond, strict=True)]
    got = np.asarray(visible(jnp.array(queries), jnp.array(keys), window, jnp.array(reach)))
    for t, query in enumerate(queries):
        oldest = 0 if window is None else query - window + 1
        assert got[t].tolist() == [key != EMPTY and oldest <= key <= reach[t] for key in keys]


def test_blocks_reach_to_their_ends() -> None:
    at = jnp.array([7, 8, 9, 10, 11, 12, EMPTY, EMPTY])
    block = jnp.array([-1, 0, 0, -1, 1, 1, -1, 1])
    assert block_reach(at, block).tolist() == [7, 9, 9, 10, 12, 12, EMPTY, EMPTY]


def test_a_window_includes_the_query_itself() -> None:
    seen = np.asarray(visible(jnp.array([10]), jnp.arange(12), 4))
    assert np.flatnonzero(seen[0]).tolist() == [7, 8, 9, 10]


def test_padding_sees_nothing_and_is_not_seen() -> None:
    seen = np.asarray(visible(jnp.array([3, EMPTY]), jnp.array([0, EMPTY, 3]), None))
    assert seen.tolist() == [[True, False, True], [False, False, False]]
