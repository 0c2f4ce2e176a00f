"""Clients one after another and all at once: what is counted, and that a mixed-up answer shows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from gemcli.bench.crowd import PROMPT, crowd, prompts
from model.engine.engine import Engine

CLIENTS = 4


class Slow:
    """Takes a while for every answer, which is the prompt's first token again and again."""

    def __init__(self, mixes_up: int = 0) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self._mixes_up = mixes_up

    def generate(self, ids: Sequence[int], *, sampling: Any, limit: int) -> Iterator[int]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.05)
        wrong = ids[0] < self._mixes_up * PROMPT
        yield from [ids[0] + wrong] * limit
        with self._lock:
            self._now -= 1


@pytest.mark.parametrize("mixed_up", [0, 3])
def test_what_many_get_at_once(mixed_up: int) -> None:
    alone, together, steps = Slow(), Slow(mixed_up), []
    asked = prompts(range(CLIENTS * PROMPT), CLIENTS)
    said = crowd(cast(Engine, alone), cast(Engine, together), asked, 8, steps.append)
    assert (alone.most, together.most) == (1, CLIENTS)
    assert (said["clients"], said["identical"]) == (CLIENTS, CLIENTS - mixed_up)
    assert said["ratio"] > 1.5, "all at once waited for one sleep, the others for four"
    assert said["tokens_per_s"] > said["alone_tokens_per_s"]
    assert len(steps) == CLIENTS + 2


def test_every_client_asks_something_else() -> None:
    asked = prompts(range(1000), 5)
    assert [len(each) for each in asked] == [PROMPT] * 5
    assert len({each[0] for each in asked}) == 5
