"""Colours for code that arrives line by line.

A lexer needs the lines before, but not all of them: once it gives the same tokens when it begins at a later
line, the lines before that one are forgotten.  So the work for a new line stays small in the longest code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gemcli.ui.markdown import style

if TYPE_CHECKING:
    from pygments.lexer import Lexer
    from rich.text import Text

_WINDOW = 600  # characters that are lexed again for each new line before a later beginning is tried
_LONGEST_LINE = 4096  # a longer one is data, not code: no colours

_Tokens = list[tuple[str, str]]  # (style, text) of one line


class Highlighter:
    """Gives the lines of one code block their colours, in order.

    Args:
        language: the word after the opening fence; an unknown one gives no colours.
    """

    def __init__(self, language: str) -> None:
        self._lexer = _lexer(language)
        self._lines: list[str] = []
        self._window = _WINDOW

    def feed(self, lines: Sequence[str]) -> list[Text]:
        """The next lines, complete."""
        tokens = self._next(lines)
        self._lines += map(_lexed, lines)
        self._forget(tokens)
        return _texts(lines, tokens)

    def peek(self, lines: Sequence[str]) -> list[Text]:
        """How `lines` would look next; nothing is remembered."""
        return _texts(lines, self._next(lines))

    def _next(self, lines: Sequence[str]) -> list[_Tokens]:
        """The tokens of the remembered lines and of `lines`."""
        return self._lex([*self._lines, *map(_lexed, lines)])

    def _forget(self, tokens: list[_Tokens]) -> None:
        if sum(map(len, self._lines)) < self._window:
            return
        middle = len(self._lines) // 2
        later = self._lines[middle:]
        if self._lex(later) == tokens[middle:]:
            self._lines = later
            self._window = _WINDOW
        else:  # inside a long string or comment, or the language needs its beginning
            self._window *= 2

    def _lex(self, lines: Sequence[str]) -> list[_Tokens]:
        if self._lexer is None:
            return [[("", line)] for line in lines]
        result: list[_Tokens] = [[]]
        for kind, text in self._lexer.get_tokens("\n".join(lines)):
            name = _style(str(kind).removeprefix("Token."))
            for number, piece in enumerate(text.split("\n")):
                if number:
                    result.append([])
                if piece:
                    result[-1].append((name, piece))
        return (result + [[] for _ in lines])[: len(lines)]


def _texts(lines: Sequence[str], tokens: list[_Tokens]) -> list[Text]:
    """The last lines, of which `tokens` has the tokens and those of lines before."""
    from rich.text import Text

    return [
        Text.assemble(*((text, kind) for kind, text in coloured)) if line == _lexed(line) else Text(line)
        for line, coloured in zip(lines, tokens[len(tokens) - len(lines) :], strict=True)
    ]


def _lexed(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else ""


def _lexer(language: str) -> Lexer | None:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    if not language:
        return None
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=True)
    except ClassNotFound:
        return None


def _style(kind: str) -> str:
    for prefix, name in style.TOKENS:
        if kind == prefix or kind.startswith(prefix + "."):
            return name
    return ""
