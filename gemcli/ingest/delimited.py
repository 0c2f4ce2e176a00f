"""Tables in text: values between commas, semicolons, tabs or pipes, in blocks of rows with cell anchors.

The delimiter is the one under which the rows have the same number of values; quotes may hold delimiters and
line ends.  A row is shown as a spreadsheet's: its values between pipes, numbers as they are written.  Rows
are counted as a spreadsheet program counts them when it opens the file, so a value with a line end inside is
one row's.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from gemcli.errors import InputError, UsageError
from gemcli.ingest.cells import Row
from gemcli.ingest.decode import decode_named
from gemcli.ingest.rows import MAX_CELLS, Blocks
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.parts import Document, Part

#: Bytes of a table at most.
MAX_BYTES = 256 << 20

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 200
_SAMPLE_CHARS = 1 << 18
_REPORT_EVERY = 10_000
_TSV = "text/tab-separated-values"


@dataclass(frozen=True, slots=True)
class Form:
    """How a table is written.

    Attributes:
        delimiter: what stands between values.
        quote: what stands around them, or None where quotes are characters like others.
        declared: whether the first line is ``sep=;``, as Excel writes it, and no row.
    """

    delimiter: str
    quote: str | None = '"'
    declared: bool = False


def read(source: Source, report: Report) -> Document:
    """Read a table; `report` counts rows, of which the total is not known before the end.

    Raises:
        InputError: it is empty, no text, or holds more than `MAX_CELLS` values.
        UsageError: a page range, or lines that it does not have.
    """
    selection = source.selection
    if selection is not None and selection.unit == "page" and selection.exact:
        raise UsageError(
            f"{source.name} is a table: it has rows, not pages", f"write {source.name}#line=1-50"
        )
    data = source.head(MAX_BYTES + 1)
    if not data:
        raise EmptyError(f"{source.name} is empty")
    if len(data) > MAX_BYTES:
        raise InputError(
            f"{source.name} is a table of more than {MAX_BYTES >> 20} MiB: that cannot be read at once",
            f"give the rows that matter: head -n 50000 {source.name}",
        )
    decoded = decode_named(source.name, data)
    sha256 = hashlib.sha256(data).hexdigest()
    del data
    if not decoded.text.strip("\n\t ,;|"):
        raise EmptyError(f"{source.name} is empty: it holds no value")
    form = detect(decoded.text, "\t" if source.media_type == _TSV else "")
    warnings = [decoded.warning] if decoded.warning else []
    parts: list[Part] = []
    blocks = Blocks("", parts)
    found = _Rows(decoded.text, form)
    spans = None
    if selection is not None and selection.unit == "line":
        spans = selection.within(found.rows, source.name)
    blocks.name_columns(list(itertools.islice(found, 10)))
    cells = 0
    for number, values in found:
        if spans is not None and not any(first <= number <= last for first, last in spans):
            continue
        cells += len(values)
        if cells > MAX_CELLS:
            raise InputError(
                f"{source.name} holds more than {MAX_CELLS:,} values; they are reached in row {number:,}: "
                "that cannot be read at once",
                f"give the rows that matter: {source.name}#line=1-50000",
            )
        if number % _REPORT_EVERY == 0:
            report(number, 0)
        blocks.add((number, values))
    blocks.finish()
    if found.uneven:
        warnings.append(
            f"rows differ in their number of values: {found.uneven:,} of {found.rows:,} have not "
            f"{found.width:,}, the first of them row {found.first_uneven:,}"
        )
    if found.is_unclosed:
        warnings.append("a quote begins that never ends: quotes are read as characters like others")
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=tuple(parts),
        warnings=tuple(warnings),
        meta={"rows": found.rows, "columns": found.width, "encoding": decoded.encoding}
        | {"delimiter": form.delimiter},
    )


def detect(text: str, likely: str = "") -> Form:
    """The form of a table, from its first rows.

    Args:
        text: the table.
        likely: the delimiter that its name speaks for.
    """
    first, _, _ = text.partition("\n")
    if len(first) == 5 and first.lower().startswith("sep=") and first[4] in _DELIMITERS:
        return Form(first[4], declared=True)
    sample = text[:_SAMPLE_CHARS]
    best, score = Form(likely or ","), -1.0
    for delimiter in dict.fromkeys(likely + _DELIMITERS):
        for quote in ('"', "'"):
            if quote == "'" and not _is_quoted(sample, delimiter, "'"):
                continue
            form = Form(delimiter, quote)
            merit = _merit(sample, form, len(text) > len(sample)) + (0.5 if delimiter == likely else 0)
            if merit > score:
                best, score = form, merit
    return best


def _merit(sample: str, form: Form, is_cut: bool) -> float:
    """How well a form suits: rows of the same number of values, and more than one of them."""
    widths: Counter[int] = Counter()
    try:
        for values in _parsed(sample, form):
            if values:
                widths[len(values)] += 1
            if widths.total() > _SAMPLE_ROWS:
                break
    except csv.Error:
        return 0
    if is_cut and widths.total() <= 1:
        return 0
    if not widths:
        return 0
    width, count = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]))
    if width < 2:
        return 0.1
    return count / widths.total() * (2 - 1 / width)


def _is_quoted(sample: str, delimiter: str, quote: str) -> bool:
    """Whether values in `quote` stand between delimiters, and none in double quotes."""
    pairs = sample.count(f"{quote}{delimiter}{quote}")
    return pairs > 1 and f'"{delimiter}' not in sample


def _parsed(text: str, form: Form) -> Iterator[list[str]]:
    csv.field_size_limit(MAX_BYTES)  # the process's own: a shorter one would be an error, not a bound
    lines = _lines(text)
    if form.declared:
        next(lines)
    quoting = csv.QUOTE_NONE if form.quote is None else csv.QUOTE_MINIMAL
    return csv.reader(
        lines,
        delimiter=form.delimiter,
        quotechar=form.quote or '"',
        quoting=quoting,
        skipinitialspace=True,
        strict=False,
    )


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


class _Rows:
    """The rows of a table with their numbers.

    Attributes:
        rows, width: how many there are, and how many values most of them have.
        uneven, first_uneven: how many have another number, and the first such row.
        is_unclosed: whether a quote begins that never ends.
    """

    def __init__(self, text: str, form: Form) -> None:
        self._text = text
        self._form = form
        self.is_unclosed = False
        self.rows = self.width = self.uneven = self.first_uneven = 0
        self._look()

    def __iter__(self) -> Iterator[Row]:
        for number, values in enumerate(_parsed(self._text, self._form), 1):
            cells = [(at, value) for at, value in enumerate(values, 1) if value.strip()]
            if cells:
                yield number, cells

    def _look(self) -> None:
        """Count the rows; where a quote never ends, read quotes as written."""
        last = self._survey()
        quote = self._form.quote
        if quote is not None and self._text.count(quote) % 2 and any("\n" in value for value in last):
            self.is_unclosed = True
            self._form = Form(self._form.delimiter, None, self._form.declared)
            self._survey()

    def _survey(self) -> list[str]:
        """Count; the last row."""
        widths: Counter[int] = Counter()
        firsts: dict[int, int] = {}
        last: list[str] = []
        self.rows = 0
        for values in _parsed(self._text, self._form):
            self.rows += 1
            if values:
                widths[len(values)] += 1
                firsts.setdefault(len(values), self.rows)
                last = values
        self.width = max(widths, key=lambda width: (widths[width], width), default=0)
        self.uneven = widths.total() - widths[self.width]
        self.first_uneven = min((row for width, row in firsts.items() if width != self.width), default=0)
        return last
