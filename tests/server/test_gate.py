"""First come, first served; one model at a time; a place for whoever still waits."""

from __future__ import annotations

import asyncio

import pytest

from gemcli.server.faults import Fault
from gemcli.server.gate import Gate


def test_turns_and_models() -> None:
    async def scene() -> list[str]:
        gate, order = Gate(2, 8), []
        ends = {name: asyncio.Event() for name in "abcde"}

        async def visit(name: str, model: str) -> None:
            async with gate.inside(model):
                order.append(name)
                await ends[name].wait()

        tasks = []
        for name, model in (("a", "x"), ("b", "x"), ("c", "y"), ("d", "x"), ("e", "x")):
            tasks.append(asyncio.create_task(visit(name, model)))
            await asyncio.sleep(0)
        assert (order, gate.running, gate.waiting) == (["a", "b"], 2, 3)
        ends["a"].set()
        await asyncio.sleep(0.01)
        assert order == ["a", "b"], "another model waits for the whole of the first, and is not overtaken"
        ends["b"].set()
        await asyncio.sleep(0.01)
        assert (order, gate.running) == (["a", "b", "c"], 1)
        ends["c"].set()
        await asyncio.sleep(0.01)
        for name in "de":
            ends[name].set()
        await asyncio.gather(*tasks)
        assert (gate.running, gate.waiting) == (0, 0)
        return order

    assert asyncio.run(scene()) == ["a", "b", "c", "d", "e"]


def test_who_goes_away_leaves_no_hole() -> None:
    async def scene() -> None:
        gate = Gate(1, 2)

        async def visit(stay: asyncio.Event) -> None:
            async with gate.inside("x"):
                await stay.wait()

        first, second, third = asyncio.Event(), asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(visit(stay)) for stay in (first, second, third)]
        await asyncio.sleep(0)
        with pytest.raises(Fault) as caught:
            await visit(asyncio.Event())
        assert (caught.value.status, caught.value.headers()["Retry-After"]) == (429, "2")
        tasks[1].cancel()
        await asyncio.sleep(0.01)
        assert (gate.running, gate.waiting) == (1, 1)
        first.set()
        await tasks[0]
        tasks[2].cancel()  # let in, and gone at the same moment
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (gate.running, gate.waiting) == (0, 0)
        third.set()
        await visit(third)

    asyncio.run(scene())


def test_who_goes_away_the_moment_a_place_is_free() -> None:
    """It was cancelled, and has not heard of it yet, when its turn would come."""

    async def scene() -> None:
        gate = Gate(1, 4)

        async def visit() -> str:
            async with gate.inside("x"):
                return "was inside"

        for _ in range(3):
            async with gate.inside("x"):
                gone, next_one = asyncio.create_task(visit()), asyncio.create_task(visit())
                await asyncio.sleep(0)
                assert gate.waiting == 2
                gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            assert await next_one == "was inside"
            assert (gate.running, gate.waiting) == (0, 0)

    asyncio.run(scene())
