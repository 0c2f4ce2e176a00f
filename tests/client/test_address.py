"""What may follow ``--host``."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemcli.client.address import Address, parse
from gemcli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://a.example:9000", Address("http://a.example:9000", "a.example", 9000)),
        ("a.example", Address("http://a.example", "a.example", 8080)),
        ("10.0.0.5:81", Address("http://10.0.0.5:81", "10.0.0.5", 81)),
        ("https://a.example/llm/v1/", Address("https://a.example/llm", "a.example", 443, True, base="/llm")),
        ("http://[::1]:8080/", Address("http://[::1]:8080", "::1", 8080)),
        ("unix:/run/g.sock", Address("unix:/run/g.sock", socket=Path("/run/g.sock"))),
        ("unix:///run/g.sock", Address("unix:/run/g.sock", socket=Path("/run/g.sock"))),
        ("/run/g.sock", Address("unix:/run/g.sock", socket=Path("/run/g.sock"))),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    "text", ["", "ftp://a", "http://", "http://a:port", "http://[::1", "http://a?x=1", "http://me:pw@a"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)
