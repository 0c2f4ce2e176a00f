"""What commands print that is no answer: lists, tables, JSON, errors, and the one question they may ask."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gemcli.errors import GemcliError
from gemcli.ui.aside import free_line
from gemcli.ui.json_out import document, dumps
from gemcli.ui.keys import readable
from gemcli.ui.notes import Notes, styled
from gemcli.ui.sanitize import clean, clean_line
from gemcli.ui.streams import Err, Out
from gemcli.ui.terminal import ability


def emit_json(value: object) -> None:
    """One JSON value and a newline on stdout; like all that writes there it may raise `ReaderGone`."""
    out = Out()
    out.write(document(value, terminal=out.is_terminal), "backslashreplace")


def emit_line(value: object) -> None:
    """One JSON value as one line on stdout, also on a terminal: a record among others."""
    out = Out()
    out.write(dumps(value, terminal=out.is_terminal) + "\n", "backslashreplace")


def emit_text(text: str) -> None:
    """Text on stdout, its last line ended, without escape sequences."""
    out = Out()
    text = clean(text, terminal=out.is_terminal)
    out.write(text if text.endswith("\n") or not text else text + "\n")


def emit_table(header: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()) -> None:
    """Aligned columns on stdout, the same in a pipe as on a terminal; nothing is cut.

    Args:
        header: the columns' names.
        rows: as many values each; None is shown as ``-``.
        right: indices of the columns that are aligned to the right (numbers).
    """
    from gemcli.ui.markdown.wrap import cells

    out = Out()
    able = ability(out)
    table = [list(header)] + [["-" if value is None else str(value) for value in row] for row in rows]
    table = [[clean_line(value, terminal=out.is_terminal) for value in row] for row in table]
    widths = [max(map(cells, column)) for column in zip(*table, strict=True)]
    lines: list[str] = []
    for row in table:
        fields: list[str] = []
        for number, value in enumerate(row):
            space = " " * (widths[number] - cells(value))
            fields.append(space + value if number in right else value + space)
        lines.append("  ".join(fields).rstrip())
    lines[0] = styled(lines[0], "1", able)
    out.write("\n".join(lines) + "\n")


def say(message: str) -> None:
    """A line of information on stderr."""
    with free_line():
        Notes(Err()).say(message)


def show_lines(text: str) -> None:
    """Lines on stderr as they are laid out: a list that was asked for, which is no answer."""
    err = Err()
    with free_line():
        err.write(clean(text, terminal=err.is_terminal) + "\n")


def show_warning(message: str) -> None:
    """A warning on stderr; a Warning event to the open `Ui`, if there is one, also gets into its JSON."""
    with free_line():
        Notes(Err()).warning(message)


def show_error(error: GemcliError) -> None:
    """An error and its hint on stderr."""
    with free_line():
        Notes(Err()).error(error.message, error.hint)


def confirm(question: str) -> bool:
    """Ask on the terminal; False unless the person says yes, or where there is no terminal to ask on.

    Args:
        question: e.g. ``Remove smollm2-135m (98 MB)?``
    """
    err = Err()
    if not err.is_terminal or sys.stdin is None or not sys.stdin.isatty():
        return False
    with free_line():
        err.write(f"{clean_line(question, terminal=True)} [y/N] ")
        answer = ""
        try:
            with readable():
                answer = sys.stdin.readline()
        finally:
            if not answer.endswith("\n"):
                err.write("\n")
    return answer.strip().lower() in ("y", "yes")
