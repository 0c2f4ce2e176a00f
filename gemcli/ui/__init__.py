"""The only printer: shows the events of an answer, and whatever else a command has to say."""

from gemcli.ui.console import (
    confirm,
    emit_json,
    emit_line,
    emit_table,
    emit_text,
    say,
    show_error,
    show_lines,
    show_warning,
)
from gemcli.ui.json_out import error_object
from gemcli.ui.open import Ui, open_ui
from gemcli.ui.streams import ReaderGone

__all__ = [
    "ReaderGone",
    "Ui",
    "confirm",
    "emit_json",
    "emit_line",
    "emit_table",
    "emit_text",
    "error_object",
    "open_ui",
    "say",
    "show_error",
    "show_lines",
    "show_warning",
]
