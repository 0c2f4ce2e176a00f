"""What a spreadsheet's cells are called and how their values are written.

Values are written to be read, not to be looked at: dates as ISO 8601, numbers with all of their digits but
without the noise of binary fractions; a format gives them only what they would mean less without, a percent
sign or a currency.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from gemcli.plural import counted, plural

#: A row: its number from 1, and (column from 1, text) of its filled cells, in order.
Row = tuple[int, list[tuple[int, str]]]

_LITERALS = re.compile(r'"[^"]*"|\\.|_.|\*.')
_CURRENCY = re.compile(r"\[\$([^\]-]+)[^\]]*\]|([$€£¥₹₽₩₺₴₪฿])")
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^\]]*\]")
_MAX_SERIAL = 2_958_466  # the first day of the year 10000


@dataclass(frozen=True, slots=True)
class Aside:
    """What stands at a cell without being its value.

    Attributes:
        row, column: the cell, from 1.
        text: a comment, with what and whose it is; or what the document says of a picture.
        target: the picture's name inside the file; "" for a comment.
    """

    row: int
    column: int
    text: str
    target: str = ""


@dataclass(slots=True)
class Sheet:
    """One sheet while it is read.

    Attributes:
        name: its name.
        rows: its filled rows in order; taken once.
        hidden: whether its program does not show it.
        notes: what was lost or is odd, one sentence each; complete behind the last row.
        comments: on its cells, in the order of rows; those of a row are there when it is taken.
        pictures: in its cells; complete behind the last row.
    """

    name: str
    rows: Iterator[Row]
    hidden: bool = False
    notes: list[str] = field(default_factory=list)
    comments: list[Aside] = field(default_factory=list)
    pictures: list[Aside] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Format:
    """What a number format means.

    Attributes:
        is_date, is_time: whether a number is a day, a time of day, or both.
        elapsed: whether it is a length of time.
        percent: digits behind the point of a percentage; None for what is none.
        before, after: a currency's sign.
    """

    is_date: bool = False
    is_time: bool = False
    elapsed: bool = False
    percent: int | None = None
    before: str = ""
    after: str = ""


PLAIN = Format()


@lru_cache(4096)
def column_name(number: int) -> str:
    """1 → ``A``, 27 → ``AA``."""
    name = ""
    while number:
        number, letter = divmod(number - 1, 26)
        name = chr(65 + letter) + name
    return name


@lru_cache(4096)
def column_number(name: str) -> int:
    """``A`` → 1; 0 for what is no column's name."""
    number = 0
    for letter in name:
        if not "A" <= letter <= "Z":
            return 0
        number = number * 26 + ord(letter) - 64
    return number


def cell_range(sheet: str, first: tuple[int, int], last: tuple[int, int]) -> str:
    """``Sheet1!A1:F20`` from (row, column) of its corners; ``Sheet1!A1`` for one cell.

    A sheet's name with anything but letters, digits and ``_.`` is quoted, as in a formula.
    """
    corners = [f"{column_name(column)}{row}" for row, column in dict.fromkeys((first, last))]
    if not sheet:
        return ":".join(corners)
    plain = re.fullmatch(r"[\w.]+", sheet) is not None
    name = sheet if plain else "'" + sheet.replace("'", "''") + "'"
    return f"{name}!{':'.join(corners)}"


def hidden_note(rows: int, columns: int) -> list[str]:
    """A sentence about filled rows and columns that a sheet's program does not show, if there are any."""
    said = [counted(count, word) for count, word in ((rows, "row"), (columns, "column")) if count]
    if not said:
        return []
    return [f"{' and '.join(said)} {plural(rows + columns, 'is', 'are')} hidden or filtered out, but read"]


def external_note(count: int) -> str:
    """A sentence about pictures that are named, but not part of the file."""
    return f"{counted(count, 'picture')} outside of the file, not fetched"


def comment_text(text: str, author: str, kind: str = "comment") -> str:
    """``comment by Ann: text`` on one line; "" where nothing is said."""
    author = " ".join(author.split())
    text = " ".join(text.split())
    if author:  # older programs write it before the text
        text = text.removeprefix(f"{author}:").lstrip()
    return f"{kind} by {author}: {text}" if text and author else f"{kind}: {text}" if text else ""


def number_text(value: float) -> str:
    """A number without noise: 15 digits, as spreadsheet programs keep, and no exponent unless it is huge."""
    text = f"{value:.15g}"
    if "e" not in text or abs(value) >= 1e21 or abs(value) < 1e-9:
        return text
    return f"{Decimal(text):f}"


@lru_cache(1024)
def read_format(code: str) -> Format:
    """What a format code of Excel means: ``0.00%``, ``yyyy-mm-dd``, ``[$€-407] #,##0.00``."""
    positive = _LITERALS.sub(lambda match: match[0].strip('"\\') if match[0][0] in '"\\' else "", code)
    positive = positive.partition(";")[0]
    bare = _LITERALS.sub("", code).partition(";")[0]
    if _ELAPSED.search(bare):
        return Format(elapsed=True)
    letters = _BRACKETS.sub("", bare).lower().replace("general", "").replace("am/pm", "h").replace("a/p", "h")
    is_time = "h" in letters or "s" in letters
    is_date = "y" in letters or "d" in letters or ("m" in letters and not is_time)
    if (is_date or is_time) and not re.search(r"[0#?]", letters.replace("s.0", "").replace("0", "")):
        return Format(is_date=is_date, is_time=is_time)
    if "%" in letters:
        digits = re.search(r"\.([0#?]+)", letters)
        return Format(percent=len(digits[1]) if digits else 0)
    currency = _CURRENCY.search(positive)
    if currency:
        sign = (currency[1] or currency[2]).strip()
        digits = re.search(r"[0#?]", positive)
        if digits is None or currency.start() < digits.start():
            return Format(before=sign)
        return Format(after=f" {sign}")
    return PLAIN


def shown(value: float, form: Format, epoch_1904: bool = False) -> str:
    """A number as its format means it."""
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    if form is PLAIN:
        return number_text(value)
    if form.percent is not None:
        exact = number_text(float(f"{value * 100:.12g}"))
        return f"{exact}%"
    if form.elapsed:
        seconds = round(abs(value) * 86400)
        sign = "-" if value < 0 else ""
        return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if form.is_date or form.is_time:
        return _moment(value, form, epoch_1904) or number_text(value)
    return f"{form.before}{number_text(value)}{form.after}"


def moment_text(value: datetime.datetime | datetime.date | datetime.time | datetime.timedelta) -> str:
    """A day or time as ISO 8601 without needless parts."""
    if isinstance(value, datetime.timedelta):
        return shown(value.total_seconds() / 86400, Format(elapsed=True))
    if isinstance(value, datetime.datetime):
        return (
            value.isoformat(" ", "seconds") if value.time() != datetime.time() else value.date().isoformat()
        )
    if isinstance(value, datetime.time):
        return value.isoformat("seconds")
    return value.isoformat()


def _moment(value: float, form: Format, epoch_1904: bool) -> str | None:
    """A serial number as a moment; None outside of the calendar.

    Day 60 of the calendar of 1900 is a day that never was; the days before it are one off.
    """
    if not 0 <= value < _MAX_SERIAL:
        return None
    seconds = round(value * 86400)
    clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if not form.is_date and seconds < 86400:
        return clock
    start = datetime.date(1904, 1, 1) if epoch_1904 else datetime.date(1899, 12, 30 + (value < 60))
    day = (start + datetime.timedelta(days=seconds // 86400)).isoformat()
    return f"{day} {clock}" if form.is_time and seconds % 86400 else day
