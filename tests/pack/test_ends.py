"""Texts are cut at their ends, fairly, behind whole lines, and it is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemcli.pack.cost import Costs
from gemcli.pack.ends import head, share, tail
from gemcli.parts import Anchor, Document, Text


def costs(*documents: Document) -> Costs:
    parts = {
        (index, number): len(part.text) if isinstance(part, Text) else 100
        for index, document in enumerate(documents)
        for number, part in enumerate(document.parts)
    }
    return Costs(sum(parts.values()), {}, parts)


def text(*texts: str, name: str = "a.txt") -> Document:
    at = 1
    parts = []
    for each in texts:
        lines = each.count("\n")
        parts.append(Text(each, Anchor(lines=(at, at + lines - 1))))
        at += lines
    return Document(name, "text/plain", "", tuple(parts))


LINES = "".join(f"Line {n:02d}.\n" for n in range(10))  # nine characters each


def test_the_beginning_and_the_end() -> None:
    given = text(LINES, LINES)
    first = head([given], 110, costs(given), len)
    assert (
        "".join(part.text for part in first.documents[0].parts if isinstance(part, Text))
        == (LINES + LINES)[:108]
    )
    assert first.documents[0].parts[1].anchor == Anchor(lines=(11, 12))
    assert (first.tokens_read, first.tokens_given) == (108, 180)
    assert first.note() == "read 108 of 180 tokens: the beginning; --overflow map reads everything"
    assert first.thinned[0].to_json() == {"source": "a.txt", "what": "text tokens", "from": 180, "to": 108}
    last = tail([given], 110, costs(given), len)
    assert (
        "".join(part.text for part in last.documents[0].parts if isinstance(part, Text))
        == (LINES + LINES)[-108:]
    )
    assert last.documents[0].parts[0].anchor == Anchor(lines=(9, 10))


def test_short_documents_stay_whole() -> None:
    short, long = text(LINES[:18], name="s"), text(LINES, name="l")
    found = head([long, short], 60, costs(long, short), len)
    assert found.documents[1] == short
    assert found.tokens_read == 18 + 36
    assert [each.source for each in found.thinned] == ["l"]
    assert "the beginning of each document" in found.note()


@pytest.mark.parametrize("side", [head, tail])
def test_where_nothing_fits_nothing_is_left(side) -> None:
    given = text(LINES)
    found = side([given], 4, costs(given), len)
    assert found.documents[0].parts == ()
    assert found.tokens_read == 0
    assert found.thinned[0].after == 0


@given(st.lists(st.integers(0, 500), max_size=6), st.integers(0, 1500))
def test_shares_are_fair_and_all_is_used(totals: list[int], tokens: int) -> None:
    found = share(totals, tokens)
    assert sum(found) <= tokens
    assert all(each <= total for each, total in zip(found, totals, strict=True))
    if sum(totals) <= tokens:
        assert found == totals
    elif totals:
        assert sum(found) >= tokens - len(totals)
        short = [each for each, total in zip(found, totals, strict=True) if each < total]
        assert max(short) - min(short) <= 1
