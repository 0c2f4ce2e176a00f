"""The citations below an answer: each quote, whether it was found in its source, and a link to its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent_encoded

from gemcli.parts import Anchor
from gemcli.ui.sanitize import clean_line
from gemcli.ui.terminal import Ability

_MARKS = ("✓", "✗")
_PLAIN_MARKS = ("verified", "NOT VERIFIED")
_URL = re.compile(r"https?://[!-~]+")
_GOOD, _BAD, _FAINT = "32", "1;31", "2"


def lines(citations: Sequence[Mapping[str, Any]], able: Ability, *, signs: bool) -> list[str]:
    """One line for each citation of an answer object.

    Args:
        citations: as the contract has them.
        able: what the stream shows; where it moves cursors it knows links too (OSC 8).
        signs: the stream has signs for what is verified and what is not.
    """
    return [_line(number, each, able, signs) for number, each in enumerate(citations, 1)]


def _line(number: int, citation: Mapping[str, Any], able: Ability, signs: bool) -> str:
    verified = bool(citation["verified"])
    quote = clean_line(str(citation["quote"]), terminal=True)
    said = f'"{quote}" ' if quote else ""
    source = clean_line(str(citation["source"]), terminal=True)
    anchor = anchor_of(citation["anchor"])
    name = source.rstrip("/").rpartition("/")[2] or source
    place = f"[{name} {anchor.label()}]".replace(" ]", "]") if source else ""
    link = target(str(citation["source"]), anchor) if able.live and place else ""
    if link:
        place = f"\x1b]8;;{link}\x1b\\{place}\x1b]8;;\x1b\\"
    if place and not verified and quote:
        place = f"like {place}"
    mark = (_MARKS if signs else _PLAIN_MARKS)[not verified]
    mark = _styled(mark, _GOOD if verified else _BAD, able)
    return f"{_styled(f'({number})', _FAINT, able)} {said}{place} {mark}".replace("  ", " ")


def anchor_of(value: Mapping[str, Any]) -> Anchor:
    """An anchor from its object in the contract."""
    if "page" in value:
        return Anchor(page=int(value["page"]))
    if "line" in value:
        return Anchor(lines=(int(value["line"][0]), int(value["line"][1])))
    if "seconds" in value:
        return Anchor(seconds=(float(value["seconds"][0]), float(value["seconds"][1])))
    return Anchor(cell=str(value["cell"])) if "cell" in value else Anchor()


def target(source: str, anchor: Anchor) -> str:
    """The URL that a source can be opened by at a place; "" where it has none."""
    if _URL.fullmatch(source):
        url = source.partition("#")[0]
    else:
        try:
            path = Path(source).absolute()
            if not path.exists():
                return ""
            url = "file://" + percent_encoded(str(path))
        except (OSError, ValueError):
            return ""
    if anchor.page is not None:
        return f"{url}#page={anchor.page}"
    if anchor.seconds is not None:
        return f"{url}#t={int(anchor.seconds[0])}"
    return f"{url}#L{anchor.lines[0]}" if anchor.lines else url


def _styled(text: str, code: str, able: Ability) -> str:
    from gemcli.ui.notes import styled

    return styled(text, code, able)
