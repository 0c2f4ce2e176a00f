"""A walk through sequences that begin alike gives what reading each of them alone gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tiny

from model.cache.state import State
from model.decoder.decoder import Decoder
from model.engine.branches import Branches
from model.engine.engine import Engine
from model.errors import ContextOverflowError, FormatError
from model.nn.linear import Numerics
from model.prompt import Soft
from model.sampling.sampler import Sampling

TRUNK = tiny.random_ids(80)
END = tiny.random_ids(9, seed=5)
LIMIT = 7

# Each leaves the trunk, which is many windows long, at one place; two leave it together.
SEQUENCES = [
    [*TRUNK[:20], *tiny.random_ids(5, seed=1), *END],
    [*TRUNK[:40], *tiny.random_ids(3, seed=2), *TRUNK[40:60], *END],
    [*TRUNK[:40], *tiny.random_ids(3, seed=3), *TRUNK[40:60], *END],
    [*TRUNK[:70], *END],
]
SHARED = [0, 20, 40, 40]
MARKS = [(20,), (40,), (), ()]


def engine(name: str) -> Engine:
    config = tiny.qwen() if name == "qwen" else tiny.gemma2(2)  # the latter has a ring
    decoder = Decoder(config, Numerics(integer_rows=0))
    return Engine(decoder, tiny.random_params(config), window=256, cache_bits=32)


@pytest.fixture(scope="module", params=["qwen", "gemma"])
def model(request: pytest.FixtureRequest) -> Engine:
    return engine(request.param)


@pytest.fixture(scope="module")
def qwen() -> Engine:
    return engine("qwen")


def alone(model: Engine, ids: list[int], soft: list[Soft] | None = None) -> list[int]:
    return list(model.generate(ids, sampling=Sampling(), limit=LIMIT, soft=soft or []))


def walk(model: Engine, **options) -> Iterator[list[int]]:
    branches = Branches(model, 200)
    for ids, shared, marks in zip(SEQUENCES, SHARED, MARKS, strict=True):
        yield branches.follow(np.array(ids, np.int32), shared=shared, marks=marks, limit=LIMIT, **options)


def test_each_is_continued_as_it_is_alone(model: Engine) -> None:
    answers = list(walk(model))
    assert answers == [alone(model, ids) for ids in SEQUENCES]
    assert len({tuple(answer) for answer in answers}) > 2, "they have something to tell apart"


def test_what_is_shared_is_read_once(model: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    prefill = Engine.prefill

    def counted(self: Engine, ids, state: State, *rest, **options):
        read.append(len(ids))
        return prefill(self, ids, state, *rest, **options)

    monkeypatch.setattr(Engine, "prefill", counted)
    list(walk(model))
    assert sum(read) == sum(map(len, SEQUENCES)) - sum(SHARED)


def test_a_sequence_with_nothing_in_common_begins_anew(model: Engine) -> None:
    branches, other = Branches(model, 200), tiny.random_ids(30, seed=9)
    first = np.array(SEQUENCES[0], np.int32)
    branches.follow(first, shared=0, marks=(20,), limit=LIMIT)
    found = branches.follow(np.array(other, np.int32), shared=0, marks=(), limit=LIMIT)
    assert found == alone(model, other)


def test_it_ends_before_a_stop_and_never_says_what_is_suppressed(qwen: Engine) -> None:
    ids = np.array(SEQUENCES[0], np.int32)
    free = alone(qwen, SEQUENCES[0])

    def follow(**options) -> list[int]:
        return Branches(qwen, 200).follow(ids, shared=0, marks=(), limit=LIMIT, **options)

    stop = free[3]
    assert follow(stop={stop}) == free[: free.index(stop)]
    assert free[0] not in follow(suppress={free[0]})
    assert follow(stop={free[0]}) == []


def test_soft_tokens_stand_where_they_belong_on_both_sides_of_a_mark(qwen: Engine) -> None:
    draw = np.random.default_rng(0)
    rows = draw.standard_normal((4, qwen.decoder.config.width)).astype(np.float32)
    soft = [Soft(3, rows, is_block=False), Soft(30, -rows, is_block=False)]
    ids = TRUNK[:50]
    found = Branches(qwen, 200).follow(
        np.array(ids, np.int32), shared=0, marks=(10, 20), limit=LIMIT, soft=soft
    )
    assert found == alone(qwen, ids, soft)
    assert found != alone(qwen, ids)


def test_progress_counts_what_is_fresh(qwen: Engine) -> None:
    seen: list[list[tuple[int, int]]] = []
    branches = Branches(qwen, 200)
    for ids, shared, marks in zip(SEQUENCES, SHARED, MARKS, strict=True):
        seen.append([])
        branches.follow(
            np.array(ids, np.int32),
            shared=shared,
            marks=marks,
            limit=1,
            progress=lambda *count: seen[-1].append(count),
        )
    for ids, shared, counts in zip(SEQUENCES, SHARED, seen, strict=True):
        fresh = len(ids) - shared
        assert counts[-1] == (fresh, fresh)
        assert [done for done, _ in counts] == sorted(done for done, _ in counts)


def test_what_cannot_be(qwen: Engine) -> None:
    with pytest.raises(ContextOverflowError):
        Branches(qwen, 257)
    config = tiny.qwen()
    params = tiny.random_params(config)
    broken = Engine(
        Decoder(config, Numerics(integer_rows=0)),
        type(params)(**{**vars_of(params), "final_norm": params.final_norm * np.nan}),
        window=256,
        cache_bits=32,
    )
    with pytest.raises(FormatError, match="not finite"):
        Branches(broken, 100).follow(np.array(TRUNK, np.int32), shared=0, marks=(), limit=1)


def vars_of(params) -> dict:
    from dataclasses import fields

    return {field.name: getattr(params, field.name) for field in fields(params)}
