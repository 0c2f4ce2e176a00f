"""Citations below an answer: what was verified and what was not, and links that lead to the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemcli.events import Result, Token
from gemcli.parts import Anchor
from gemcli.ui.citations import anchor_of, lines, target
from gemcli.ui.raw import RawView
from gemcli.ui.streams import Out
from gemcli.ui.terminal import PLAIN, Ability

LIVE = Ability(live=True, styled=True, coloured=True)
GOOD = {"quote": "It is gold.", "source": "docs/a.pdf", "anchor": {"page": 3}, "verified": True}
BAD = {"quote": "It is tin.", "source": "docs/a.pdf", "anchor": {"page": 3}, "verified": False}


def test_plain_lines() -> None:
    nowhere = {"quote": "Lead", "source": "", "anchor": {}, "verified": False}
    place = {"quote": "", "source": "a.pdf", "anchor": {"page": 99}, "verified": False}
    assert lines([GOOD, BAD, nowhere, place], PLAIN, signs=False) == [
        '(1) "It is gold." [a.pdf p.3] verified',
        '(2) "It is tin." like [a.pdf p.3] NOT VERIFIED',
        '(3) "Lead" NOT VERIFIED',
        "(4) [a.pdf p.99] NOT VERIFIED",
    ]
    assert lines([GOOD], PLAIN, signs=True)[0].endswith("✓")


def test_a_link_on_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a b.pdf"
    path.write_bytes(b"x")
    line = lines([GOOD | {"source": str(path)}], LIVE, signs=True)[0]
    assert f"\x1b]8;;file://{tmp_path}/a%20b.pdf#page=3\x1b\\[a b.pdf p.3]\x1b]8;;\x1b\\" in line
    assert "\x1b]8" not in lines([GOOD], LIVE, signs=True)[0], "there is no such file"
    assert "\x1b" not in lines([GOOD | {"source": str(path)}], PLAIN, signs=True)[0]


@pytest.mark.parametrize(
    ("source", "anchor", "url"),
    [
        ("https://example.com/a.pdf#page=1", Anchor(page=2), "https://example.com/a.pdf#page=2"),
        ("https://example.com/a", Anchor(seconds=(61.5, 70.0)), "https://example.com/a#t=61"),
        ("https://example.com/a", Anchor(lines=(4, 6)), "https://example.com/a#L4"),
        ("https://example.com/a", Anchor(cell="S!A1"), "https://example.com/a"),
        ("https://example.com/\x1b]8;;", Anchor(), ""),
        ("stdin", Anchor(), ""),
        ("a\0b", Anchor(), ""),
    ],
)
def test_what_a_place_is_opened_by(source: str, anchor: Anchor, url: str) -> None:
    assert target(source, anchor) == url


@pytest.mark.parametrize(
    "anchor",
    [Anchor(page=2), Anchor(lines=(1, 3)), Anchor(seconds=(1.0, 2.5)), Anchor(cell="S!A1"), Anchor()],
)
def test_anchors_come_back_from_json(anchor: Anchor) -> None:
    assert anchor_of(anchor.to_json()) == anchor


def test_nothing_in_a_quote_drives_the_terminal() -> None:
    line = lines([GOOD | {"quote": "a\x1b[31mb\nc\u202ed", "source": "x\x1b]0;t\x07y"}], LIVE, signs=True)[0]
    assert '"ab cd"' in line
    assert "\x1b]0" not in line
    assert "\n" not in line


class Collect(Out):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def write(self, text: str, errors: str = "replace") -> None:
        self.text += text


@pytest.mark.parametrize("cites", [True, False])
def test_they_stand_below_the_answer_unless_that_is_for_a_program(cites: bool) -> None:
    out = Collect()
    view = RawView(out, cites=cites)
    view.show(Token("Gold"))
    view.show(Result({"citations": [GOOD]}))
    view.close(None)
    assert out.text == ('Gold\n\n(1) "It is gold." [a.pdf p.3] ✓\n' if cites else "Gold\n")
