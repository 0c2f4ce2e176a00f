"""The numbers behind an Office chart, as a table: categories down, series across."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from gemcli.ingest.cells import PLAIN, Format, read_format, shown
from gemcli.ingest.pipes import pipe_table

_MAX_SERIES = 500
_SPARSE = 20  # blanks for each point that is there, beyond which an index is taken for damage


def chart_text(root: Element) -> str:
    """A chart part (``c.chartSpace`` or ``cx.chartSpace``) as text; "" where it holds nothing.

    The first line says what kind of chart it is and its title; the numbers are those that the document keeps
    beside the workbook they came from.
    """
    extended = root.tag == "cx.chartSpace"
    series = _extended(root) if extended else _series(root)
    more = len(series) - _MAX_SERIES
    kinds = [_kind(plot.tag) for plot in root.findall(".//c.plotArea/*") if plot.tag.endswith("Chart")]
    title = _title(root)
    head = f"Chart ({', '.join(dict.fromkeys(kinds))})" if kinds else "Chart"
    axes = [_rich(axis) for axis in root.findall(".//c.plotArea/*/c.title")]
    lines = [f"{head}: {title}" if title else head]
    if any(axes):
        lines.append("Axes: " + ", ".join(filter(None, axes)))
    table = _table(series[:_MAX_SERIES])
    if more > 0:
        lines.append(f"({more:,} more series are not shown)")
    if not table and not title and not any(axes):
        return ""
    return "\n".join(lines) + ("\n\n" + table if table else "")


def _series(root: Element) -> list[tuple[str, list[str], list[str]]]:
    """(name, categories, values) of each series."""
    found: list[tuple[str, list[str], list[str]]] = []
    for item in root.iter("c.ser"):
        name = " ".join(_points(item.find("c.tx"))) or f"Series {len(found) + 1}"
        places, values = item.find("c.cat"), item.find("c.val")
        if values is None:
            places, values = item.find("c.xVal"), item.find("c.yVal")
        found.append((name, _points(places), _points(values)))
        sizes = item.find("c.bubbleSize")
        if sizes is not None:
            found.append((f"{name} (size)", _points(places), _points(sizes)))
    return found


def _points(item: Element | None) -> list[str]:
    """The cached points of a reference, or its literal ones, each at its index; levels are joined."""
    if item is None:
        return []
    levels = item.findall(".//c.lvl") or [item]
    columns: list[dict[int, str]] = []
    for level in reversed(levels):  # the innermost level is written first
        column: dict[int, str] = {}
        form = read_format(level.findtext(".//c.formatCode") or "")
        points = level.findall(".//c.pt")
        furthest = 1000 + _SPARSE * len(points)
        for point in points:
            at = _index(point.get("idx"), len(column))
            value = point.find("c.v")
            if at < furthest and value is not None:
                is_name = level is not item or item.find(".//c.strCache") is not None
                column[at] = (value.text or "") if is_name else _number(value.text or "", form)
        columns.append(column)
    if not any(columns):
        value = item.find("c.v")
        return [value.text or ""] if value is not None else []
    count = 1 + max(max(column, default=0) for column in columns)
    rows: list[str] = []
    carried = [""] * len(columns)
    for at in range(count):
        carried = [column.get(at, before) for column, before in zip(columns, carried, strict=True)]
        rows.append(" / ".join(filter(None, carried)) if len(columns) > 1 else columns[0].get(at, ""))
    return rows


def _extended(root: Element) -> list[tuple[str, list[str], list[str]]]:
    """Series of the newer charts: waterfall, treemap, funnel and so on."""
    found: list[tuple[str, list[str], list[str]]] = []
    for data in root.iter("cx.data"):
        names = [
            [point.text or "" for point in level.iter("cx.pt")] for level in data.findall("cx.strDim/cx.lvl")
        ]
        places = [" / ".join(filter(None, reversed(row))) for row in zip(*names, strict=False)]
        for dim in data.findall("cx.numDim"):
            values = [_number(point.text or "", PLAIN) for point in dim.iter("cx.pt")]
            found.append((f"Series {len(found) + 1}", places, values))
    names_of = [" ".join(point.text or "" for point in item.iter("cx.v")) for item in root.iter("cx.tx")]
    if len(names_of) == len(found):
        found = [
            (name or old, places, values) for name, (old, places, values) in zip(names_of, found, strict=True)
        ]
    return found


def _table(series: list[tuple[str, list[str], list[str]]]) -> str:
    """Series with the same categories share a table."""
    tables: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}
    for name, places, values in series:
        if values or places:
            tables.setdefault(tuple(places), []).append((name, values))
    written: list[str] = []
    for places, columns in tables.items():
        count = max(len(places), *(len(values) for _, values in columns))
        rows = [["", *(name for name, _ in columns)]]
        for at in range(count):
            place = places[at] if at < len(places) else str(at + 1)
            rows.append([place, *(values[at] if at < len(values) else "" for _, values in columns)])
        written.append(pipe_table(rows))
    return "\n\n".join(filter(None, written))


def _title(root: Element) -> str:
    for path in ("c.chart/c.title", "cx.chart/cx.title"):
        item = root.find(path)
        if item is not None:
            return _rich(item)
    return ""


def _rich(item: Element) -> str:
    text = "".join(run.text or "" for run in item.iter("a.t"))
    if not text:
        title = item if item.tag == "c.title" else item.find("c.title")
        text = " ".join(_points(None if title is None else title.find("c.tx")))
    return " ".join(text.split())


def _kind(tag: str) -> str:
    """``c.bar3DChart`` → ``bar``."""
    return tag.partition(".")[2].removesuffix("Chart").removesuffix("3D")


def _number(text: str, form: Format) -> str:
    try:
        return shown(float(text), form)
    except ValueError:
        return text


def _index(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else default
