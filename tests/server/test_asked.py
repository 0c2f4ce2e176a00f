"""What a request of OpenAI's API asks for."""

from __future__ import annotations

import pytest

from gemcli.server.asked import sampled
from gemcli.server.fields import Fields


def test_who_gives_no_seed_gets_another_answer_each_time() -> None:
    """As with OpenAI's servers: "again" would be the same answer otherwise."""
    seeds = {sampled(Fields({"temperature": 1, "seed": None}), None)["seed"] for _ in range(8)}
    assert len(seeds) == 8
    assert all(0 <= seed < 1 << 64 for seed in seeds)


@pytest.mark.parametrize(("seed", "meant"), [(0, 0), (7, 7), (-1, (1 << 64) - 1)])
def test_a_seed_is_kept(seed: int, meant: int) -> None:
    assert sampled(Fields({"seed": seed}), None)["seed"] == meant
