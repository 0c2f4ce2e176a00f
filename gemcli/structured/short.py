"""The short form of a schema: ``name, age int, tags [str]`` is an object with three members.

A member is its name, then perhaps its type, then perhaps ``: what it is``.  A ``?`` behind the name or the
type makes it optional.  Types: ``str``, ``int``, ``float``, ``bool``, ``any``, ``date``, ``time`` and
``datetime``; ``a|b|c`` is one of these words, ``[int]`` a list of them, ``{street, city}`` an object,
``[name, age int]`` a list of objects.  Members stand between commas, or on lines of their own, where
descriptions may hold commas.  Written in square brackets as a whole it is a list of such objects.
"""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "any": {},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "datetime": {"type": "string", "format": "date-time"},
} | {long: {"type": long} for long in ("string", "integer", "number", "boolean")}
_NAME = re.compile(r"\s*([^\W\d][\w-]*|\"[^\"\n]+\")[^\S\n]*(\?)?")
_WORD = re.compile(r"[^\s,:?{}\[\]]+")
_DEEPEST = 20


class ShortError(ValueError):
    """A short form that cannot be read; its text says where."""


def expand(text: str) -> dict[str, Any]:
    """The JSON Schema that a short form stands for.

    Raises:
        ShortError: it cannot be read.
    """
    reader = _Reader(text)
    reader.space()
    if reader.here() == "[":
        schema = reader.type(0)
        reader.space()
    else:
        schema = reader.members("", 0)
    if reader.at < len(text):
        raise reader.error("nothing may follow")
    return schema


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def here(self) -> str:
        """The character that comes next; "" at the end."""
        return self._text[self.at : self.at + 1]

    def space(self) -> None:
        """Go past white space."""
        while self.here().isspace():
            self.at += 1

    def error(self, what: str) -> ShortError:
        """What is wrong here."""
        rest = self._text[self.at :].split("\n")[0]
        return ShortError(f"{what} at {rest[:30]!r}" if rest.strip() else f"{what} at its end")

    def members(self, closing: str, depth: int) -> dict[str, Any]:
        """Members up to a closing bracket, which stays; "" for the end of the text."""
        if depth > _DEEPEST:
            raise self.error(f"more than {_DEEPEST} brackets in each other")
        by_line = "\n" in self._body(closing).strip()
        properties: dict[str, Any] = {}
        required: list[str] = []
        while True:
            self.space()
            if self.here() == closing:
                break
            name, optional, schema = self._member(closing, by_line, depth)
            if name in properties:
                raise ShortError(f"the name {name!r} is given twice")
            properties[name] = schema
            if not optional:
                required.append(name)
            while self.here() in (" ", "\t", "\r"):
                self.at += 1
            if self.here() == closing:
                break
            if self.here() not in (",", "\n"):
                raise self.error("a comma is missing")
            self.at += 1
        if not properties:
            raise self.error("a name is missing")
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _member(self, closing: str, by_line: bool, depth: int) -> tuple[str, bool, dict[str, Any]]:
        found = _NAME.match(self._text, self.at)
        if found is None:
            raise self.error("a name is missing")
        self.at = found.end()
        schema: dict[str, Any] = {"type": "string"}
        optional = found[2] is not None
        self._blanks()
        if self.here() not in ("", ",", ":", "\n", closing):
            schema = self.type(depth + 1)
            if self.here() == "?":
                self.at += 1
                optional = True
            self._blanks()
        if self.here() == ":":
            self.at += 1
            described = self._described(closing, by_line)
            schema = {**schema, "description": described} if described else schema
        return found[1].strip('"'), optional, schema

    def type(self, depth: int) -> dict[str, Any]:
        """The type that stands here."""
        opening = self.here()
        if opening and opening in "[{":
            self.at += 1
            closing = "]" if opening == "[" else "}"
            inner = self._body(closing).strip()
            if opening == "{":
                schema = self.members(closing, depth)
            elif not inner or _is_type(inner):
                self.space()
                schema = self.type(depth + 1) if inner else {"type": "string"}
                self.space()
            elif inner[0] in "[{":
                self.space()
                schema = self.type(depth + 1)
                self.space()
            else:
                schema = self.members(closing, depth)
            if self.here() != closing:
                raise self.error(f"{closing!r} is missing")
            self.at += 1
            return schema if opening == "{" else {"type": "array", "items": schema}
        found = _WORD.match(self._text, self.at)
        if found is None or not _is_type(found[0]):
            raise self.error("there is no such type")
        self.at = found.end()
        if "|" in found[0]:
            return {"enum": list(dict.fromkeys(found[0].split("|")))}
        return dict(_TYPES[found[0]])

    def _described(self, closing: str, by_line: bool) -> str:
        """A description: up to the next member, or the bracket that closes what this is in."""
        begin, open_ones = self.at, 0
        while self.at < len(self._text):
            here = self.here()
            if here == "\n" or (not open_ones and (here == closing or (here == "," and not by_line))):
                break
            open_ones += (here in "[{(") - (open_ones > 0 and here in "]})")
            self.at += 1
        described = self._text[begin : self.at].strip()
        return described.removesuffix(",").rstrip() if by_line else described

    def _body(self, closing: str) -> str:
        """The text up to the bracket that closes what is open, without what is in brackets itself."""
        kept: list[str] = []
        open_ones = 0
        for each in self._text[self.at :]:
            if not open_ones and each == closing:
                break
            open_ones += (each in "[{") - (each in "]}")
            if not open_ones or not kept:
                kept.append(each)
        return "".join(kept)

    def _blanks(self) -> None:
        while self.here() in (" ", "\t", "\r"):
            self.at += 1


def _is_type(word: str) -> bool:
    choices = word.split("|")
    return word in _TYPES or (len(choices) > 1 and all(map(_WORD.fullmatch, choices)))
