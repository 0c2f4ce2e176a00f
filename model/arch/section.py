"""Typed reading of a part of a Hugging Face config.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from model.errors import FormatError, UnsupportedModelError


class Section:
    """A mapping of config.json.

    Args:
        values: its contents.
        name: how errors call it.
    """

    def __init__(self, values: Mapping[str, Any], name: str = "config.json") -> None:
        self._values = values
        self._name = name

    def has(self, key: str) -> bool:
        """Whether there is a value, other than null."""
        return self._values.get(key) is not None

    def within(self, key: str) -> Section:
        """The mapping under `key`; raises FormatError where there is none."""
        values = self._values.get(key)
        if not isinstance(values, Mapping):
            raise FormatError(f"{self._name} has no {key}")
        return Section(values, f"{self._name}: {key}")

    def integer(self, key: str, default: int) -> int:
        """A positive whole number; raises FormatError otherwise."""
        value = self._values[key] if self.has(key) else default
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise FormatError(f"{self._name}: {key} should be a positive whole number, not {value!r}")
        return value

    def number(self, key: str, default: float) -> float:
        """A positive, finite number; raises FormatError otherwise."""
        value = self._values[key] if self.has(key) else default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise FormatError(f"{self._name}: {key} should be a positive number, not {value!r}")
        return float(value)

    def flag(self, key: str) -> bool:
        """True or false; absent is false."""
        return bool(self._values.get(key, False))

    def must_be(self, key: str, *known: object) -> None:
        """Raises UnsupportedModelError where a value is given that is none of these."""
        if self.has(key) and (found := self._values[key]) not in known:
            wanted = " or ".join(repr(value) for value in known)
            raise UnsupportedModelError(f"{self._name}: {key} = {found!r} is not supported, only {wanted}")
