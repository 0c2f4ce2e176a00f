"""Which implementation computes the attention of which kind of layer: plain data, part of a program.

What may be chosen, and how it is tried, is in `model.attention.choice`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from model.config import AttentionSpec, LayerSpec

Implementation = Literal["reference", "blocked", "compiled", "pallas"]

FEW = 8
"""Queries that count as few: one token's, or those of a guess that is checked."""


@dataclass(frozen=True, slots=True)
class Kind:
    """All that an implementation has to know of a layer to be chosen.

    Attributes:
        head_dim: H.
        groups: G, query heads a key/value head.
        window: W, or None.
        softcap: on the scores, or None.
        few: whether it is asked by at most `FEW` queries.
    """

    head_dim: int
    groups: int
    window: int | None
    softcap: float | None
    few: bool

    @classmethod
    def of(cls, spec: AttentionSpec, queries: int) -> Kind:
        """The kind of a layer that so many queries ask."""
        groups = spec.heads // spec.kv_heads
        return cls(spec.head_dim, groups, spec.window, spec.softcap, queries <= FEW)

    def layers(self) -> str:
        """The layers as people speak of them."""
        reach = "global" if self.window is None else f"sliding {self.window}"
        return f"{reach}, head {self.head_dim}" + ("" if self.softcap is None else ", capped")


@dataclass(frozen=True, slots=True)
class Choice:
    """An implementation for every kind of layer of a model; blocked for those that are not in it."""

    chosen: tuple[tuple[Kind, Implementation], ...]

    def of(self, spec: AttentionSpec, queries: int) -> Implementation:
        """What computes a layer that so many queries ask."""
        return dict(self.chosen).get(Kind.of(spec, queries), "blocked")


def implementation_of(chosen: Implementation | Choice, spec: AttentionSpec, queries: int) -> Implementation:
    """What computes a layer that so many queries ask, whether all layers have the same or each its own."""
    return chosen.of(spec, queries) if isinstance(chosen, Choice) else chosen


def kinds(layers: Iterable[LayerSpec]) -> tuple[Kind, ...]:
    """The kinds of layers that a model has, each asked by many and by few."""
    specs = [spec.attention for spec in layers if spec.attention]
    return tuple(dict.fromkeys(Kind.of(spec, count) for spec in specs for count in (FEW + 1, 1)))
