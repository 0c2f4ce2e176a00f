"""Pieces of Markdown as rows of styled text for one width of the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gemcli.ui.markdown import style
from gemcli.ui.markdown.highlight import Highlighter
from gemcli.ui.markdown.inline import close_marks, to_text
from gemcli.ui.markdown.stream import Piece
from gemcli.ui.markdown.table import table_rows
from gemcli.ui.markdown.wrap import cells, fold, graphemes, wrap

if TYPE_CHECKING:
    from rich.text import Text

_RULE = 40  # cells of the lines around code
_LEAST_BODY = 10  # cells that deep lists and quotes leave to their text


class Renderer:
    """Renders the pieces of one text in their order."""

    def __init__(self) -> None:
        self._highlighter = Highlighter("")

    def finished(self, pieces: Sequence[Piece], width: int) -> list[Text]:
        """The lines of finished pieces.

        Unindented code is not wrapped: the terminal does it, and copying gives the line as it was.
        """
        lines: list[Text] = []
        for piece in pieces:
            lines += self._gap(piece)
            if piece.leaf.fenced:
                if not piece.skip:
                    self._highlighter = Highlighter(_language(piece))
                code = self._highlighter.feed(_new_code(piece))
                lines += self._fenced(piece, code, width, wrapped=bool(piece.leaf.rest))
            else:
                lines += self._block(piece, width)
        return lines

    def live(self, pieces: Sequence[Piece], width: int, height: int) -> list[Text]:
        """The rows of pieces that may still change, none wider than `width`.

        Of very long ones only what can be among the last `height` rows is worked out.
        """
        rows: list[Text] = []
        for piece in pieces:
            rows += self._gap(piece)
            if piece.leaf.fenced:
                highlighter = self._highlighter if piece.skip else Highlighter(_language(piece))
                code = highlighter.peek(_new_code(piece))
                rows += self._fenced(piece, code, width, wrapped=True)
            else:
                rows += self._block(piece, width, height, last=piece is pieces[-1])
        return rows

    @staticmethod
    def _gap(piece: Piece) -> list[Text]:
        from rich.text import Text

        return [] if piece.gap is None else [Text(piece.gap, style.PREFIX)]

    def _fenced(self, piece: Piece, code: list[Text], width: int, *, wrapped: bool) -> list[Text]:
        from rich.text import Text

        body = _body_width(piece, width)
        ruler = "─" * min(_RULE, body)
        rows: list[Text] = []
        if not piece.skip:
            language = _language(piece)
            label = f"── {language} ".ljust(len(ruler), "─") if language else ruler
            rows += fold(Text(label, style.RULE), body)
        for line in code:
            line.expand_tabs(4)
            rows += fold(line, body) if wrapped else [line]
        if piece.leaf.closed or piece.ended:
            rows.append(Text(ruler, style.RULE))
        return self._prefixed(piece, rows, width, begun=bool(piece.skip))

    def _block(self, piece: Piece, width: int, height: int | None = None, last: bool = False) -> list[Text]:
        from rich.text import Text

        leaf = piece.leaf
        body = _body_width(piece, width)
        match leaf.kind:
            case "rule":
                rows = [Text("─" * body, style.RULE)]
            case "code":
                rows = [
                    row for line in leaf.lines for row in fold(Text(line.expandtabs(4), style.CODE), body)
                ]
            case "table":
                given = leaf.cells if height is None else (leaf.cells[0], *leaf.cells[1:][-height:])
                rows = table_rows(given, leaf.alignments, body)
            case _:
                base = style.HEADINGS[leaf.level - 1] if leaf.kind == "heading" else ""
                text = leaf.text
                if height is not None and len(text) > 4 * height * width:
                    text = text[-2 * height * width :]
                rows = wrap(to_text(close_marks(text) if last else text, base), body)
        return self._prefixed(piece, rows, width, begun=False)

    @staticmethod
    def _prefixed(piece: Piece, rows: list[Text], width: int, *, begun: bool) -> list[Text]:
        from rich.text import Text

        first, rest = (_fitted(prefix, width) for prefix in (piece.leaf.first, piece.leaf.rest))
        if not rest:
            return rows
        result: list[Text] = []
        for number, row in enumerate(rows):
            line = Text()
            line.append(first if number == 0 and not begun else rest, style.PREFIX)
            line.append_text(row)
            line.rstrip()
            result.append(line)
        return result


def _language(piece: Piece) -> str:
    return piece.leaf.info.split(maxsplit=1)[0] if piece.leaf.info else ""


def _new_code(piece: Piece) -> list[str]:
    return piece.leaf.lines[max(0, piece.skip - 1) :]


def _prefix_room(width: int) -> int:
    return max(0, width - _LEAST_BODY)


def _body_width(piece: Piece, width: int) -> int:
    return max(1, width - min(cells(piece.leaf.rest), _prefix_room(width)))


def _fitted(prefix: str, width: int) -> str:
    """The end of a prefix that is too long, so that its marker stays."""
    room = _prefix_room(width)
    spans = graphemes(prefix)
    while spans and sum(size for _, _, size in spans) > room:
        spans.pop(0)
    return prefix[spans[0][0] :] if spans else ""
