"""What the counts of a server say of its answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import Any

import pytest

from gemcli.errors import GemcliError, SchemaError
from gemcli.events import Event, Result
from gemcli.server.desk import Desk
from gemcli.server.gate import Gate
from gemcli.server.limits import Limits
from gemcli.server.metrics import Metrics


@pytest.mark.parametrize(
    ("error", "finish", "tokens"),
    [(None, "length", 5), (SchemaError("it was cut"), "length", 5), (GemcliError("no"), "error", 0)],
)
def test_an_answer_that_was_cut_is_one_also_where_it_has_a_schema(
    error: GemcliError | None, finish: str, tokens: int
) -> None:
    told = None if error is None else {"code": error.exit_code, "message": error.message}
    result: dict[str, Any] = {
        "error": told,
        "finish_reason": "length",
        "usage": {"prompt_tokens": 7, "cached_tokens": 0, "completion_tokens": 5},
        "timings": {"total_s": 0.1},
    }

    def begin(cancelled: threading.Event) -> Generator[Event]:
        yield Result(result)
        if error is not None:
            raise error

    metrics = Metrics()

    async def scene() -> None:
        async for _ in Desk(Gate(1, 1), metrics, Limits()).events("m", begin):
            pass

    if error is None:
        asyncio.run(scene())
    else:
        with pytest.raises(type(error)):
            asyncio.run(scene())
    lines = metrics.text(0, 0).splitlines()
    assert [each for each in lines if each.startswith("gemcli_answers_total")] == [
        f'gemcli_answers_total{{finish="{finish}"}} 1'
    ]
    assert (f'gemcli_tokens_total{{kind="completion"}} {tokens}' in lines) == bool(tokens)
