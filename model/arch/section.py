"""Typed reading of a part of a Hugging Face config.json."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
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

    def keys(self) -> tuple[str, ...]:
        """The names of its values."""
        return tuple(self._values)

    def sections(self) -> Iterator[tuple[str, Section]]:
        """Its values, each a mapping; raises FormatError where one is not."""
        return ((key, self.within(key)) for key in self._values)

    def integer(self, key: str, default: int | None = None) -> int:
        """A positive whole number; raises FormatError otherwise."""
        value = self._values[key] if self.has(key) else default
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise FormatError(f"{self._name}: {key} should be a positive whole number, not {value!r}")
        return value

    def count(self, key: str, default: int = 0) -> int:
        """A whole number, 0 too; raises FormatError otherwise."""
        value = self._values[key] if self.has(key) else default
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise FormatError(f"{self._name}: {key} should be a whole number, not {value!r}")
        return value

    def number(self, key: str, default: float) -> float:
        """A positive, finite number; raises FormatError otherwise."""
        value = self._values[key] if self.has(key) else default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise FormatError(f"{self._name}: {key} should be a positive number, not {value!r}")
        return float(value)

    def number_or_none(self, key: str, default: float | None = None) -> float | None:
        """A positive number, or None where null stands for there being none; raises FormatError otherwise."""
        value = self._values.get(key, default)
        return None if value is None else self.number(key, value)

    def colours(self, key: str, default: float, *, positive: bool = False) -> tuple[float, float, float]:
        """Three numbers, for red, green and blue; raises FormatError otherwise."""
        if not self.has(key):
            return default, default, default
        return three_numbers(self._values[key], f"{self._name}: {key}", positive=positive)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """True or false."""
        return bool(self._values[key]) if self.has(key) else default

    def choice(self, key: str, *known: str, old: str | None = None) -> str:
        """One of the words `known`, the first where there is none.

        Args:
            key: where it stands.
            known: what we understand.
            old: another key that it may stand under.

        Raises:
            UnsupportedModelError: another value.
        """
        found = key if self.has(key) or old is None else old
        self.must_be(found, *known)
        return self._values[found] if self.has(found) else known[0]

    def choice_or_none(self, key: str, *known: str, default: str | None = None) -> str | None:
        """One of the words `known`, or None where null stands for none of them.

        Raises:
            UnsupportedModelError: another value.
        """
        self.must_be(key, *known)
        return self._values.get(key, default)

    def words(self, key: str) -> list[str] | None:
        """A list of texts, or None; raises FormatError where it is anything else."""
        values = self._values.get(key)
        if values is not None and not (isinstance(values, list) and all(isinstance(v, str) for v in values)):
            raise FormatError(f"{self._name}: {key} should be a list of texts, not {values!r}")
        return values

    def must_be(self, key: str, *known: object) -> None:
        """Raises UnsupportedModelError where a value is given that is none of these."""
        if self.has(key) and (found := self._values[key]) not in known:
            wanted = " or ".join(repr(value) for value in known)
            raise UnsupportedModelError(f"{self._name}: {key} = {found!r} is not supported, only {wanted}")


def three_numbers(value: object, name: str, *, positive: bool = False) -> tuple[float, float, float]:
    """A list of three finite (and positive) numbers; raises FormatError, which calls it `name`, otherwise."""
    match value:
        case [int() | float() as red, int() | float() as green, int() | float() as blue]:
            found = float(red), float(green), float(blue)
            if all(math.isfinite(one) and (one > 0 or not positive) for one in found):
                return found
    kind = "positive numbers" if positive else "numbers"
    raise FormatError(f"{name} should be three {kind}, not {value!r}")
