"""What styles and numbering say of a Word paragraph: its level as a heading, its label in a list."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_CHAIN = 20  # styles based on styles; a circle ends here
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"))
_ROMAN += ((40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))
_LEVELS = 9


@dataclass(frozen=True, slots=True)
class _Style:
    name: str = ""
    based_on: str = ""
    outline: int | None = None
    list_id: str = ""
    list_level: int | None = None
    hidden: bool = False


class Styles:
    """Paragraph and character styles by id."""

    def __init__(self, root: Element | None) -> None:
        self._styles: dict[str, _Style] = {}
        self.default = ""
        for item in root.findall("w.style") if root is not None else ():
            key = item.get("w.styleId", "")
            if item.get("w.type") == "paragraph" and item.get("w.default") in ("1", "true"):
                self.default = key
            self._styles[key] = _Style(
                _value(item.find("w.name")),
                _value(item.find("w.basedOn")),
                number(_value(item.find("w.pPr/w.outlineLvl"))),
                _value(item.find("w.pPr/w.numPr/w.numId")),
                number(_value(item.find("w.pPr/w.numPr/w.ilvl"))),
                is_on(item.find("w.rPr/w.vanish")),
            )

    def heading(self, properties: Element | None) -> int:
        """The level of a heading from 1, or 0 for what is none."""
        outline = None if properties is None else number(_value(properties.find("w.outlineLvl")))
        if outline is not None:
            return outline + 1 if 0 <= outline < _LEVELS else 0
        for style in self._chain(self.of(properties)):
            match = _HEADING.fullmatch(style.name)
            if match:
                return int(match[1])
            if style.name.lower() == "title":
                return 1
            if style.outline is not None:
                return style.outline + 1 if 0 <= style.outline < _LEVELS else 0
        return 0

    def list_of(self, properties: Element | None) -> tuple[str, int] | None:
        """The list's id and level (from 0) of a paragraph, or None."""
        own = None if properties is None else properties.find("w.numPr")
        list_id = "" if own is None else _value(own.find("w.numId"))
        level = None if own is None else number(_value(own.find("w.ilvl")))
        for style in self._chain(self.of(properties)):
            list_id = list_id or style.list_id
            level = style.list_level if level is None else level
        if not list_id or list_id == "0":
            return None
        return list_id, min(max(level or 0, 0), _LEVELS - 1)

    def is_hidden(self, style: str) -> bool:
        """Whether a character style hides its text."""
        return any(item.hidden for item in self._chain(style))

    def of(self, properties: Element | None) -> str:
        """The id of a paragraph's style."""
        return (_value(properties.find("w.pStyle")) if properties is not None else "") or self.default

    def _chain(self, key: str) -> list[_Style]:
        chain: list[_Style] = []
        while key in self._styles and len(chain) < _CHAIN:
            chain.append(self._styles[key])
            key = chain[-1].based_on
        return chain


@dataclass(slots=True)
class _Level:
    form: str = "decimal"
    text: str = ""
    start: int = 1


@dataclass(slots=True)
class Numbering:
    """The document's lists: definitions, and how far each has been counted."""

    _lists: dict[str, tuple[str, dict[int, _Level]]] = field(default_factory=dict)
    _counts: dict[str, list[int | None]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Element | None) -> Numbering:
        """The lists of a numbering part; none without one."""
        self = cls()
        if root is None:
            return self
        abstract = {item.get("w.abstractNumId", ""): _levels(item) for item in root.findall("w.abstractNum")}
        for item in root.findall("w.num"):
            key = _value(item.find("w.abstractNumId"))
            levels = dict(abstract.get(key, {}))
            counted = key
            for override in item.findall("w.lvlOverride"):
                at = number(override.get("w.ilvl")) or 0
                start = number(_value(override.find("w.startOverride")))
                levels |= _levels(override)
                if start is not None:
                    old = levels.get(at, _Level())
                    levels[at] = _Level(old.form, old.text, start)
                    counted = f"{key}/{item.get('w.numId')}"
            self._lists[item.get("w.numId", "")] = (counted, levels)
        return self

    def label(self, list_id: str, level: int) -> str:
        """Count one more item of a list: its label, ``-`` for a bullet, "" for an item without one."""
        if list_id not in self._lists:
            return "-"
        counted, levels = self._lists[list_id]
        counts = self._counts.setdefault(counted, [None] * _LEVELS)
        here = levels.get(level, _Level(text=f"%{level + 1}."))
        before = counts[level]
        counts[level] = here.start if before is None else before + 1
        counts[level + 1 :] = [None] * (_LEVELS - level - 1)
        if here.form == "bullet":
            return "-"
        if here.form == "none":
            return here.text if "%" not in here.text else ""

        def shown(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            its = levels.get(at, _Level())
            count = counts[at]
            return _counted(its.start if count is None else count, its.form)

        return re.sub(r"%([1-9])", shown, here.text)


def _levels(item: Element) -> dict[int, _Level]:
    return {
        number(level.get("w.ilvl")) or 0: _Level(
            _value(level.find("w.numFmt")) or "decimal",
            _value(level.find("w.lvlText")),
            number(_value(level.find("w.start"))) or 0,
        )
        for level in item.findall("w.lvl")
    }


def _counted(count: int, form: str) -> str:
    """A number in one of Word's forms; forms of other scripts are written in digits."""
    if form in ("lowerLetter", "upperLetter") and 0 < count <= 780:
        text = chr(97 + (count - 1) % 26) * (1 + (count - 1) // 26)
    elif form in ("lowerRoman", "upperRoman") and 0 < count < 4000:
        text, left = "", count
        for worth, letters in _ROMAN:
            text += letters * (left // worth)
            left %= worth
    elif form == "decimalZero":
        text = f"{count:02d}"
    else:
        text = str(count)
    return text.upper() if form.startswith("upper") else text


def is_on(item: Element | None) -> bool:
    """Whether a switch such as ``w:vanish`` is there and not off."""
    return item is not None and item.get("w.val") not in ("0", "false", "off")


def number(text: str | None) -> int | None:
    """A whole number as Office writes it, or None."""
    return int(text) if text and re.fullmatch(r"-?[0-9]{1,9}", text) else None


def _value(item: Element | None) -> str:
    return "" if item is None else item.get("w.val", "")
