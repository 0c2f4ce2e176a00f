"""What office documents are read as, before it becomes parts: blocks of text, and pictures among them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a table or what stands by itself; `level` from 1 for a heading, `tight` within a list."""

    text: str
    level: int = 0
    tight: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: the part's name, and what the document says of it."""

    part: str
    alt: str
