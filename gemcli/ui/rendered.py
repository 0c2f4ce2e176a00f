"""The answer as Markdown that takes shape while it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemcli.events import Error, Event, Result, Thought, Token
from gemcli.ui.region import Region
from gemcli.ui.sanitize import Sanitizer
from gemcli.ui.streams import Out
from gemcli.ui.terminal import Ability, size

if TYPE_CHECKING:
    from rich.text import Text

    from gemcli.ui.markdown.render import Renderer
    from gemcli.ui.markdown.stream import MarkdownStream


class _Thoughts:
    """The thinking channel: plain lines, wrapped; complete ones are finished."""

    def __init__(self) -> None:
        self._sanitizer = Sanitizer(terminal=True)
        self._tail = ""
        self._shown = False

    def push(self, text: str) -> None:
        self._tail += self._sanitizer.push(text)

    def settle(self, width: int, *, ended: bool) -> list[Text]:
        """Rows that are finished.  `ended`: the answer begins, all are, and a blank row comes after them."""
        if ended:
            self._tail += self._sanitizer.flush()
        lines, newline, rest = self._tail.rpartition("\n")
        self._tail = "" if ended else rest
        if ended and rest:
            lines, newline = lines + newline + rest, "\n"
        rows = self._rows(lines, width) if newline else []
        self._shown = self._shown or bool(rows)
        if ended and self._shown:
            from rich.text import Text

            self._shown = False
            rows.append(Text())
        return rows

    def unsettled(self, width: int) -> list[Text]:
        """The rows of the line that is being written."""
        return self._rows(self._tail, width) if self._tail else []

    @staticmethod
    def _rows(text: str, width: int) -> list[Text]:
        from rich.text import Text

        from gemcli.ui.markdown.style import THOUGHT
        from gemcli.ui.markdown.wrap import wrap

        return wrap(Text(text.expandtabs(4), THOUGHT), width)


class RenderedView:
    """For terminals, and for pipes that want styles (``FORCE_COLOR``): there only finished lines are written.

    Args:
        out: stdout.
        able: what it can show; styles at least.
    """

    def __init__(self, out: Out, able: Ability) -> None:
        self._out = out
        self._able = able
        self.shows_thoughts = able.live
        self._region = Region(out)
        self._sanitizer = Sanitizer(terminal=True)
        self._thoughts = _Thoughts()
        self._stream: MarkdownStream | None = None
        self._renderer: Renderer | None = None
        self._changed = False

    def show(self, event: Event) -> None:
        """Take text; the end of the answer is drawn at once."""
        match event:
            case Token(text):
                self._parts()[0].push(self._sanitizer.push(text))
                self._changed = True
            case Thought(text) if self.shows_thoughts:
                self._thoughts.push(text)
                self._changed = True
            case Result(data):
                self._finish()
                self._cite(data.get("citations"))
            case Error():
                self._finish()
        if not self._able.live:
            self.paint()

    def paint(self) -> None:
        """One frame: finished lines go up for good, the rest stays live."""
        if not self._changed:
            return
        self._changed = False
        width, height = size(self._out)
        printed = self._thoughts.settle(width, ended=self._stream is not None)
        live: list[Text] = []
        if self._stream is not None:
            stream, renderer = self._parts()
            printed += renderer.finished(stream.settle(), width)
            if self._able.live:
                live = renderer.live(stream.unsettled(), width, height)
        self._draw(printed, live or self._thoughts.unsettled(width), height)

    def prepare(self) -> None:
        """Load the parser and the styles while the model is being loaded."""
        from gemcli.ui.markdown import render
        from gemcli.ui.markdown.inline import to_text

        render.Renderer()
        to_text("")

    def step_aside(self) -> str:
        """The live part is taken away and comes back with the next frame."""
        self._region.clear()
        self._changed = True
        return ""

    def close(self, failure: BaseException | None) -> None:
        """Whatever has come is printed, finished or not."""
        self._finish()

    def _finish(self) -> None:
        width, height = size(self._out)
        printed = self._thoughts.settle(width, ended=True)
        if self._stream is not None:
            stream, renderer = self._parts()
            stream.push(self._sanitizer.flush())
            printed += renderer.finished(stream.settle(final=True), width)
        self._stream = self._renderer = None
        self._changed = False
        self._draw(printed, [], height)

    def _cite(self, citations: object) -> None:
        if isinstance(citations, list) and citations:
            from gemcli.ui.citations import lines

            below = lines(citations, self._able, signs=self._out.can_show("✓✗"))
            self._out.write("\n" + "".join(line + "\n" for line in below))

    def _parts(self) -> tuple[MarkdownStream, Renderer]:
        if self._stream is None or self._renderer is None:
            from gemcli.ui.markdown.render import Renderer
            from gemcli.ui.markdown.stream import MarkdownStream

            self._stream, self._renderer = MarkdownStream(), Renderer()
        return self._stream, self._renderer

    def _draw(self, printed: list[Text], live: list[Text], height: int) -> None:
        from gemcli.ui.markdown.encode import encode

        finished = [encode(line, self._able) for line in printed]
        if self._able.live:
            self._region.draw(finished, [encode(line, self._able) for line in live], height)
        else:
            self._out.write("".join(line + "\n" for line in finished))
