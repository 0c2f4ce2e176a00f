"""Styled text as the bytes of a terminal."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING

from gemcli.ui.terminal import Ability

if TYPE_CHECKING:
    from rich.console import Console
    from rich.style import Style
    from rich.text import Text


def encode(line: Text, able: Ability) -> str:
    """One line with its escape sequences, in the sixteen colours of the terminal's theme or in none."""
    if not able.styled:
        return line.plain
    console = _console()
    if not line.spans:  # rich would leave the style of the whole to its caller
        return _styled(line.plain, console.get_style(line.style), able)
    return "".join(_styled(segment.text, segment.style, able) for segment in line.render(console))


def _styled(text: str, style: Style | None, able: Ability) -> str:
    from rich.color import ColorSystem

    if style is None or not text:
        return text
    style = style if able.coloured else style.without_color
    return style.render(text, color_system=ColorSystem.STANDARD)


@functools.cache
def _console() -> Console:
    """It only looks up the names of styles."""
    from rich.console import Console

    return Console(file=io.StringIO(), legacy_windows=False)
