"""Styled text as the bytes of a terminal."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING

from gemcli.ui.terminal import Ability

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def encode(line: Text, able: Ability) -> str:
    """One line with its escape sequences, in the sixteen colours of the terminal's theme or in none."""
    from rich.color import ColorSystem

    if not line.spans and not line.style:
        return line.plain
    result: list[str] = []
    for segment in line.render(_console()):
        style = segment.style
        if style is None or not able.styled:
            result.append(segment.text)
        else:
            style = style if able.coloured else style.without_color
            result.append(style.render(segment.text, color_system=ColorSystem.STANDARD))
    return "".join(result)


@functools.cache
def _console() -> Console:
    """It only looks up the names of styles."""
    from rich.console import Console

    return Console(file=io.StringIO(), legacy_windows=False)
