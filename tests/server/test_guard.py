"""Whose pages may ask a server."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from starlette.datastructures import Headers

from gemcli.server.faults import Fault
from gemcli.server.guard import LOOPBACK, Rules


@pytest.mark.parametrize(
    ("allowed", "origin", "is_let_in"),
    [
        ((), None, True),
        ((), "http://localhost:8080", True),
        ((), "https://chat.example", False),
        ((), "null", False),
        ((), "http://[", False),
        (("https://chat.example",), "https://chat.example", True),
        (("https://chat.example",), "https://chat.example.evil", False),
        (("*",), "https://chat.example", True),
        (("*",), "null", True),
    ],
)
def test_origins(allowed: tuple[str, ...], origin: str | None, is_let_in: bool) -> None:
    headers = Headers({"host": "localhost:8080"} | ({} if origin is None else {"origin": origin}))
    rules = Rules(hosts=LOOPBACK, origins=allowed)
    with nullcontext() if is_let_in else pytest.raises(Fault, match="may not ask"):
        rules.check({"path": "/v1/models"}, headers)
