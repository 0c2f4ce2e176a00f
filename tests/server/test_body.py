"""What many send at once does not fill the memory of a server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from gemcli.server.body import Coming, take
from gemcli.server.faults import Fault
from gemcli.server.limits import Limits


def test_all_bodies_together_have_a_bound() -> None:
    limits = Limits(body_bytes=1000, bodies_bytes=2500)

    async def scene() -> None:
        coming, rest = Coming(), asyncio.Event()

        def request() -> Request:
            pieces = [b"x" * 900, b"y" * 10]

            async def receive() -> Any:
                if len(pieces) == 1:
                    await rest.wait()
                return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

            return Request({"type": "http", "method": "POST", "headers": []}, receive)

        under_way = [asyncio.create_task(take(request(), limits, coming)) for _ in range(2)]
        while coming.held < 1800:
            await asyncio.sleep(0)
        with pytest.raises(Fault, match="too much") as caught:
            await take(request(), limits, coming)
        assert (caught.value.status, caught.value.headers()) == (503, {"Retry-After": "1"})
        assert coming.held == 1800, "what was refused is let go of"
        rest.set()
        assert [len(each) for each in await asyncio.gather(*under_way)] == [910, 910]
        assert coming.held == 0
        assert len(await take(request(), limits, coming)) == 910

    asyncio.run(scene())
