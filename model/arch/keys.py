"""Typed reading of one architecture's GGUF keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

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

    def number(self, key: str, default: Any = _MISSING) -> float:
        """A positive, finite number; raises FormatError otherwise."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise FormatError(f"{self.architecture}.{key} should be a positive number, not {value!r}")
        return float(value)

    def text(self, key: str, default: str) -> str:
        """A string."""
        return str(self._get(key, default))

    def layers(self) -> int:
        """How many there are; raises FormatError where the file cannot hold as many."""
        count = self.integer("block_count")
        if count > len(self.tensors):
            raise FormatError(
                f"{self.architecture}.block_count is {count:,}, but there are {len(self.tensors):,} tensors"
            )
        return count

    def kv_heads(self, heads: int, default: Any = _MISSING) -> int:
        """Key and value heads; raises FormatError where they do not divide the query heads."""
        count = self.integer("attention.head_count_kv", default)
        if heads % count:
            raise FormatError(
                f"{self.architecture}.attention.head_count_kv is {count}, which does not divide {heads} heads"
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
