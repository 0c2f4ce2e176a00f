"""The fields of a JSON object that came from outside: each of the type and in the range that it must have.

As in OpenAI's API ``null`` is the same as a field that is not there, and fields that nobody asks for are
nobody's concern.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from gemcli.server.faults import Fault, bad

_NAMES = {str: "a text", bool: "true or false", list: "a list", dict: "an object"}


class Fields:
    """One JSON object.

    Args:
        data: the object.
        where: what it is called in messages, such as ``messages[0]``; "" for the request itself.
    """

    def __init__(self, data: Mapping[str, Any], where: str = "") -> None:
        self.data = data
        self.where = where

    def path(self, name: str) -> str:
        """A field's name as messages have it."""
        return f"{self.where}.{name}" if self.where else name

    def has(self, name: str) -> bool:
        """Whether there is a value."""
        return self.data.get(name) is not None

    def text(self, name: str) -> str | None:
        """A text, or None.

        Raises:
            Fault: it is something else.
        """
        return self._typed(name, str)

    def needed_text(self, name: str) -> str:
        """A text that must be there.

        Raises:
            Fault: it is not, or is something else.
        """
        found = self.text(name)
        if found is None:
            raise bad(f"{self.path(name)} is missing", self.path(name))
        return found

    def choice(self, name: str, *choices: str) -> str | None:
        """One of some words, or None.

        Raises:
            Fault: it is something else.
        """
        found = self.text(name)
        if found is not None and found not in choices:
            raise bad(f"{self.path(name)} must be one of {', '.join(choices)}", self.path(name))
        return found

    def flag(self, name: str) -> bool:
        """True or false; false where there is none.

        Raises:
            Fault: it is something else.
        """
        return bool(self._typed(name, bool))

    def items(self, name: str) -> list[Any]:
        """A list; empty where there is none.

        Raises:
            Fault: it is something else.
        """
        return self._typed(name, list) or []

    def object(self, name: str) -> Fields | None:
        """An object, or None.

        Raises:
            Fault: it is something else.
        """
        found = self._typed(name, dict)
        return None if found is None else Fields(found, self.path(name))

    def objects(self, name: str) -> Iterator[Fields]:
        """A list of objects.

        Raises:
            Fault: it is something else.
        """
        for index, each in enumerate(self.items(name)):
            where = f"{self.path(name)}[{index}]"
            if not isinstance(each, dict):
                raise bad(f"{where} must be an object", where)
            yield Fields(each, where)

    def integer(self, name: str, low: int, high: float = math.inf) -> int | None:
        """A whole number in low … high, or None.

        Raises:
            Fault: it is something else.
        """
        found = self.data.get(name)
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
            raise bad(f"{self.path(name)} must be a whole number", self.path(name))
        return self._within(name, found, low, high)

    def number(self, name: str, low: float, high: float = math.inf) -> float | None:
        """A number in low … high, or None.

        Raises:
            Fault: it is something else.
        """
        found = self.data.get(name)
        if found is not None and (isinstance(found, bool) or not isinstance(found, int | float)):
            raise bad(f"{self.path(name)} must be a number", self.path(name))
        return self._within(name, found, low, high)

    def _within(self, name: str, value: Any, low: float, high: float) -> Any:
        if value is None or (low <= value <= high and math.isfinite(value)):
            return value
        most = "" if high == math.inf else f" and {high:g} at most"
        raise bad(f"{self.path(name)} must be {low:g} or more{most}", self.path(name))

    def _typed(self, name: str, kind: type) -> Any:
        found = self.data.get(name)
        if found is not None and not isinstance(found, kind):
            raise bad(f"{self.path(name)} must be {_NAMES[kind]}", self.path(name))
        return found


def parse(body: bytes) -> Fields:
    """The object that a request's body is.

    Raises:
        Fault: it is no JSON, or no object.
    """
    try:
        found = json.loads(body, parse_constant=_constant, parse_int=_integer)
    except RecursionError:
        raise bad("the body is nested too deeply") from None
    except ValueError as error:
        why = str(error) if isinstance(error, json.JSONDecodeError) else "it is no text in UTF-8"
        raise bad(f"the body is not JSON: {why}") from None
    if not isinstance(found, dict):
        raise bad("the body must be a JSON object")
    if b"\\ud" in body.lower():
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise bad("the body holds half of a character (a lone surrogate)") from None
    return Fields(found)


def _constant(word: str) -> float:
    raise bad(f"the body is not JSON: {word} is no number")


def _integer(digits: str) -> int:
    if len(digits) > 300:
        raise Fault(400, "the body holds a number of too many digits")
    return int(digits)
