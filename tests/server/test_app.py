"""A stream that is given up ends its answer, wherever it is just then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import pytest

from gemcli.events import Event, Token
from gemcli.server.app import Api
from gemcli.server.gate import Gate
from gemcli.server.limits import Limits
from gemcli.server.metrics import Metrics
from gemcli.server.replies import Replies
from gemcli.server.served import Served


@pytest.mark.parametrize("heard", [1, 2, 3])
def test_whoever_goes_away_while_a_piece_is_sent(heard: int) -> None:
    """The piece that says who speaks, the first word, a later one."""

    async def scene() -> bool:
        closed = False

        async def words() -> AsyncGenerator[Event]:
            nonlocal closed
            try:
                yield Token("well")
                while True:
                    yield Token("and")
            finally:
                closed = True

        api = Api(cast(Served, None), Limits(), False, Metrics(), Gate(1, 1), lambda error: None)
        answer = words()
        first: list[Event] = [await anext(answer)]
        chunks = api._chunks(first, answer, Replies("m", "f"), False)
        for _ in range(heard):
            await anext(chunks)
        await chunks.aclose()
        return closed

    assert asyncio.run(scene())
