"""Reports as pictures, drawn by matplotlib without a display."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemcli.bench.sizes import size_name
from gemcli.errors import GemcliError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = (".png", ".svg", ".pdf")
_DPI = 150


def check_plot(path: Path | None) -> None:
    """Refuse, before anything is measured, a picture that could not be drawn or written.

    Raises:
        UsageError: matplotlib is not there, or the name is of no kind that it draws.
        GemcliError: there is no such folder.
    """
    if path is None:
        return
    if find_spec("matplotlib") is None:
        raise UsageError(
            "--plot needs matplotlib, which is not installed",
            'Run: pip install "gemcli[plot]", or in a checkout: pip install ".[plot]"',
        )
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"--plot {path} is no name of a picture", f"End it with {', '.join(KINDS)}.")
    if not path.absolute().parent.is_dir():
        raise GemcliError(f"cannot write {path}: there is no folder {path.absolute().parent}")


def draw_needle(report: Mapping[str, Any], path: Path) -> None:
    """A heat map: lengths from left to right, depths from top to bottom."""
    cells = report["cells"]
    lengths = sorted({each["length"] for each in cells})
    depths = sorted({each["depth"] for each in cells})
    found = {(each["length"], each["depth"]): each for each in cells}
    with _axes(path, 2.0 + 0.9 * len(lengths), 1.6 + 0.5 * len(depths)) as axes:
        shares = [[_share(found.get((length, depth))) for length in lengths] for depth in depths]
        axes.imshow(shares, cmap="RdYlGn", vmin=0, vmax=1, aspect="auto", alpha=0.75)
        axes.set_xticks(range(len(lengths)), [size_name(each) for each in lengths])
        axes.set_yticks(range(len(depths)), [f"{each:g}" for each in depths])
        axes.set_xlabel("tokens of the prompt")
        axes.set_ylabel("depth of the needle")
        for row, depth in enumerate(depths):
            for column, length in enumerate(lengths):
                cell = found.get((length, depth))
                if cell and cell["trials"]:
                    axes.text(column, row, f"{cell['correct']}/{cell['trials']}", ha="center", va="center")
        axes.set_title(f"{_name(report)}\n{report['kind']} needle, {report['attention']} attention")


def draw_nll(report: Mapping[str, Any], path: Path) -> None:
    """Cumulative loss against position on a logarithmic axis, with the fitted curve."""
    places = [point["position"] for point in report["points"]]
    with _axes(path, 6.4, 4.2) as axes:
        axes.plot(places, [point["cumulative_nll"] for point in report["points"]], "o", label="measured")
        if (curve := report["fit"]) is not None:
            fitted = [curve["alpha"] * place ** curve["beta"] + curve["gamma"] for place in places]
            law = f"{curve['alpha']:.3g}·$x^{{{curve['beta']:.3g}}}$ + {curve['gamma']:.3g}"
            label = f"{law}, $R^2$ = {curve['r2']:.3f}"
            axes.plot(places, fitted, "-", label=label)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda place, _: size_name(round(place)))
        axes.set_xlabel("position, tokens")
        axes.set_ylabel("cumulative average of negative log-likelihood, nats")
        axes.set_title(_name(report))
        axes.grid(visible=True, alpha=0.3)
        axes.legend()


def draw_speed(report: Mapping[str, Any], path: Path) -> None:
    """Bars: prefill and decoding of every engine and model."""
    rows = report["rows"]
    models, lengths = ({row[key] for row in rows} for key in ("model", "prompt_tokens"))
    names = []
    for row in rows:
        about = [_name(row)] if len(models) > 1 else []
        about += [size_name(row["prompt_tokens"])] if len(lengths) > 1 else []
        names.append(", ".join([*about, row["engine"]]))
    with _figure(path, 8.0, 1.4 + 0.5 * len(rows), 2) as (prefill, decode):
        for axes, key, title in (
            (prefill, "prefill_tokens_per_s", "prefill, tokens/s"),
            (decode, "decode_tokens_per_s", "decoding, tokens/s"),
        ):
            bars = axes.barh(range(len(rows)), [row[key] for row in rows])
            axes.bar_label(bars, fmt="%.1f", padding=3)
            axes.set_yticks(range(len(rows)), names if axes is prefill else [""] * len(rows))
            axes.invert_yaxis()
            axes.margins(x=0.2)
            axes.set_title(title)


def draw_answers(report: Mapping[str, Any], path: Path) -> None:
    """Bars: how many questions of each kind were answered rightly."""
    kinds = [("stated", "correct", "questions"), ("absent", "absent_correct", "absent_questions")]
    kinds = [each for each in kinds if report[each[2]]]
    with _axes(path, 6.4, 1.2 + 0.7 * len(kinds)) as axes:
        asked = [report[total] for _, _, total in kinds]
        right = [report[correct] for _, correct, _ in kinds]
        axes.barh(range(len(kinds)), asked, color="0.9")
        bars = axes.barh(range(len(kinds)), right)
        axes.bar_label(bars, [f"{one} of {all_}" for one, all_ in zip(right, asked, strict=True)], padding=3)
        axes.set_yticks(range(len(kinds)), [name for name, _, _ in kinds])
        axes.invert_yaxis()
        axes.margins(x=0.2)
        axes.set_title(f"{_name(report)}: right answers")


@contextmanager
def _axes(path: Path, width: float, height: float) -> Iterator[Axes]:
    with _figure(path, width, height, 1) as (axes,):
        yield axes


@contextmanager
def _figure(path: Path, width: float, height: float, count: int) -> Iterator[tuple[Axes, ...]]:
    """Axes side by side, in inches; the picture is written behind the block.

    Raises:
        GemcliError: it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    yield tuple(figure.subplots(1, count, squeeze=False)[0])
    try:
        figure.savefig(path, dpi=_DPI)
    except OSError as error:
        raise GemcliError(f"cannot write {path}: {error.strerror or error}") from error


def _name(report: Mapping[str, Any]) -> str:
    """The model's name; of a file without its folders."""
    return Path(report["model"]).name


def _share(cell: Mapping[str, Any] | None) -> float:
    return cell["correct"] / cell["trials"] if cell and cell["trials"] else float("nan")


DRAW: Mapping[str, Callable[[Mapping[str, Any], Path], None]] = {
    "speed": draw_speed,
    "answers": draw_answers,
    "needle": draw_needle,
    "nll": draw_nll,
}
"""What draws the report of each command."""
