"""Typed reading of one architecture's GGUF keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import sqrt
from typing import Any

from model.arch.frame import Frame
from model.config import RopeSpec
from model.errors import FormatError, UnsupportedModelError

_MISSING = object()


class Keys:
    """The keys ``{architecture}.*`` of a GGUF file.

    Args:
        metadata: all key-value pairs of the file.
        tensors: its tensors by name, each with a `.shape`.
    """

    def __init__(self, metadata: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
        self.architecture: str = metadata["general.architecture"]
        self.tensors = tensors
        self._metadata = metadata

    def integer(self, key: str, default: Any = _MISSING) -> int:
        """A positive whole number.

        Raises:
            FormatError: absent without a default, or not a positive whole number.
            UnsupportedModelError: one value a layer, where we run models with one for all.
        """
        value = self._get(key, default)
        if isinstance(value, list):
            raise UnsupportedModelError(
                f"{self.architecture}.{key} differs from layer to layer, which is not supported"
            )
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise FormatError(f"{self.architecture}.{key} should be a positive whole number, not {value!r}")
        return value

    def integers(self, key: str, count: int, default: Any = _MISSING) -> list[int]:
        """A positive whole number for each of `count` layers; the file may state one for all.

        Raises:
            FormatError: absent without a default, of another length, or not positive whole numbers.
        """
        value = self._get(key, default)
        values = value if isinstance(value, list) else [value] * count
        if len(values) != count or not all(
            isinstance(each, int) and not isinstance(each, bool) and each > 0 for each in values
        ):
            raise FormatError(
                f"{self.architecture}.{key} should be a positive whole number for each of {count} layers, "
                f"not {value!r}"
            )
        return values

    def count_or_none(self, key: str) -> int:
        """A whole number, 0 where it is absent; raises FormatError where it is anything else."""
        value = self._get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise FormatError(f"{self.architecture}.{key} should be a whole number, not {value!r}")
        return value

    def flags(self, key: str, count: int, default: list[bool] | None = None) -> list[bool]:
        """Yes or no for each of `count` layers; raises FormatError where it is anything else."""
        values = self._get(key, _MISSING if default is None else default)
        if not isinstance(values, list) or len(values) != count or any(v not in (0, 1) for v in values):
            raise FormatError(
                f"{self.architecture}.{key} should be yes or no for each of {count} layers, not {values!r}"
            )
        return [bool(value) for value in values]

    def has(self, key: str) -> bool:
        """Whether the file states it."""
        return f"{self.architecture}.{key}" in self._metadata

    def number(self, key: str, default: Any = _MISSING) -> float:
        """A positive, finite number; raises FormatError otherwise."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise FormatError(f"{self.architecture}.{key} should be a positive number, not {value!r}")
        return float(value)

    def text(self, key: str, default: str) -> str:
        """A string."""
        return str(self._get(key, default))

    def rope(self, theta: float, *, base: str = "rope.freq_base", scaled: bool = True) -> RopeSpec:
        """The rotary embedding of whole heads.

        Args:
            theta: where the file is silent.
            base: the key that holds it.
            scaled: whether the file's scaling is meant for these layers.

        Raises:
            UnsupportedModelError: a kind of scaling that we do not run.
        """
        scaling = self.text("rope.scaling.type", "none")
        if scaling not in ("none", "linear"):
            raise UnsupportedModelError(f"RoPE scaling of type {scaling!r} is not supported")
        factor = self.number("rope.scaling.factor", 1.0) if scaling == "linear" and scaled else 1.0
        return RopeSpec(self.number(base, theta), factor)

    def frame(self, *, kv_heads: Any = _MISSING, head_dim: Any = _MISSING, several: bool = False) -> Frame:
        """What all families state.

        Args:
            kv_heads, head_dim: where the file is silent; by default it must not be.  None: as many heads as
                queries have, and the width shared out among them.
            several: numbers may differ from layer to layer; the frame then has those of the first layer, and
                the sliding ones' heads.
        """
        width, count = self.integer("embedding_length"), self.layers()

        def one(key: str, default: Any = _MISSING) -> int:
            return self.integers(key, count, default)[0] if several else self.integer(key, default)

        heads = one("attention.head_count")
        size = width // heads if head_dim is None else head_dim
        kv = one("attention.head_count_kv", heads if kv_heads is None else kv_heads)
        if heads % kv:
            raise FormatError(
                f"{self.architecture}.attention.head_count_kv is {kv}, which does not divide {heads} heads"
            )
        return Frame(
            architecture=self.architecture,
            width=width,
            vocab=self.vocab(),
            context=self.integer("context_length"),
            norm_eps=self.number("attention.layer_norm_rms_epsilon"),
            tied="output.weight" not in self.tensors,
            count=count,
            heads=heads,
            kv_heads=kv,
            head_dim=self.integer("attention.key_length_swa") if several else self.head_dim(size),
            ffw=one("feed_forward_length"),
            root=sqrt(width),
        )

    def layers(self) -> int:
        """How many there are; raises FormatError where the file cannot hold as many."""
        count = self.integer("block_count")
        if count > len(self.tensors):
            raise FormatError(
                f"{self.architecture}.block_count is {count:,}, but there are {len(self.tensors):,} tensors"
            )
        return count

    def head_dim(self, default: Any = _MISSING) -> int:
        """Size of a head.

        Raises:
            FormatError: absent without a default, or odd.
            UnsupportedModelError: only a part of every head is rotated.
        """
        size = self.integer("attention.key_length", default)
        if size % 2:
            raise FormatError(f"{self.architecture}.attention.key_length is {size}: RoPE needs pairs")
        if (rotated := self.integer("rope.dimension_count", size)) != size:
            raise UnsupportedModelError(
                f"{self.architecture}.rope.dimension_count is {rotated}: heads must be rotated whole"
            )
        return size

    def vocab(self) -> int:
        """Rows of the embedding; raises FormatError where there is none."""
        return self.tensor_shape("token_embd.weight")[0]

    def tensor_shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, [out, in]; raises FormatError where it is missing."""
        if name not in self.tensors:
            raise FormatError(f"the file holds no tensor {name!r}")
        return self.tensors[name].shape

    def _get(self, key: str, default: Any) -> Any:
        value = self._metadata.get(f"{self.architecture}.{key}", default)
        if value is _MISSING:
            raise FormatError(f"the file's metadata lacks {self.architecture}.{key}")
        return value
