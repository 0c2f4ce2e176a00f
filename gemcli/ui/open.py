"""The one place where events become visible: the answer on stdout, all else on stderr."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Literal

from gemcli.errors import GemcliError
from gemcli.events import Error, Event, Init, Note, Progress, Result, Thought, Token, Warning
from gemcli.ui.aside import stepping_aside
from gemcli.ui.json_out import JsonLinesView, JsonView
from gemcli.ui.keys import unread
from gemcli.ui.notes import Notes
from gemcli.ui.painter import Painter
from gemcli.ui.progress import Status
from gemcli.ui.raw import RawView
from gemcli.ui.rendered import RenderedView
from gemcli.ui.streams import Err, Out, ReaderGone
from gemcli.ui.terminal import ability
from gemcli.ui.thoughts import Thoughts
from gemcli.ui.usage import usage_line
from gemcli.ui.view import View

Output = Literal["text", "json", "stream-json"]

_GLYPHS = "│─•◦▪"  # what rendered Markdown is drawn with


class Ui:
    """Takes the events of one answer; a context manager.

    Calling it raises `ReaderGone` when nobody reads stdout any more, and GemcliError when stdout cannot be
    written.  Leaving the ``with`` block completes the output: also after an exception, which goes on.
    """

    def __init__(
        self, output: Output, *, raw: bool, quiet: bool, verbose: int, usage: bool, data: bool = False
    ) -> None:
        self._out = Out()
        err = Err()
        self._notes = Notes(err)
        self._thoughts = Thoughts(err)
        self._quiet = quiet
        self._verbose = verbose > 0 and not quiet
        self._usage = usage
        self._view = _view(output, self._out, raw, data)
        crowded = output == "stream-json" and self._out.is_terminal  # its lines show the progress already
        self._status = Status(err, self._notes, bar=not quiet and not crowded, lines=self._verbose)
        self._lock = threading.RLock()
        self._painter = Painter(self._paint, self._view.prepare)
        self._paints = self._status.live or (isinstance(self._view, RenderedView) and self._out.is_terminal)
        self._failure: Exception | None = None
        self._registered = ExitStack()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        with self._lock:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            self._show(event)
        if self._paints:
            self._painter.wake()

    def __enter__(self) -> Ui:
        self._registered.enter_context(stepping_aside(self._aside))
        if self._paints:
            self._registered.enter_context(unread(echo_only=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._registered.close()
        self._painter.stop()
        with self._lock:
            self._status.end()
            self._thoughts.end()
            try:
                self._view.close(failure)
                if self._failure is not None:
                    raise self._failure
            except (ReaderGone, GemcliError):
                if failure is None:
                    raise

    def say(self, message: str) -> None:
        """A line of information on stderr."""
        with self._aside():
            self._notes.say(message)

    def _show(self, event: Event) -> None:
        match event:
            case Init(model=model):
                if self._verbose:
                    self.say(f"model {model}")
            case Progress(stage="cite"):  # the answer is there and may not be drawn over
                self._out.check_reader()
            case Progress():
                self._status.update(event)
                self._out.check_reader()
            case Thought(text):
                self._status.end()
                if not self._view.shows_thoughts:
                    self._thoughts.push(text)
            case Token():
                self._end_what_precedes()
            case Note(message):
                if not self._quiet:
                    self.say(message)
            case Warning(message):
                self._warn(message)
            case Error() | Result():
                self._end_what_precedes()
        self._view.show(event)
        if isinstance(event, Error):
            self._notes.error(event.message, event.hint)
        elif isinstance(event, Result) and self._usage:
            self._notes.say(usage_line(event.data))

    def _end_what_precedes(self) -> None:
        """The answer begins, or there is none: what stderr showed of its making is over."""
        self._status.end()
        self._thoughts.end()

    def _warn(self, message: str) -> None:
        if self._notes.is_new(message):
            with self._aside():
                self._notes.warning(message)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """The cursor's line is free for others; what was taken away comes back with the next frame."""
        with self._lock:
            self._status.hide()
            self._thoughts.end()
            self._notes.begin(self._view.step_aside())
            yield
        if self._paints:
            self._painter.wake()

    def _paint(self) -> None:
        with self._lock:
            try:
                self._status.paint()
                self._view.paint()
            except Exception as failure:  # the next call raises it, in the thread that can be stopped
                self._failure = failure


def open_ui(
    output: Output = "text",
    *,
    raw: bool = False,
    quiet: bool = False,
    verbose: int = 0,
    usage: bool = False,
    data: bool = False,
) -> Ui:
    """Open stdout and stderr for one answer.

    Args:
        output: ``text`` (Markdown on a terminal, plain text elsewhere), ``json`` (one object at the end) or
            ``stream-json`` (a line for each event).
        raw: plain text on a terminal too.
        quiet: no progress; warnings and errors stay.
        verbose: over 0, progress as plain lines where stderr is no terminal.
        usage: a line with tokens, speed and times on stderr after the answer.
        data: the answer is JSON: laid out for the eye on a terminal, as it is elsewhere.
    """
    return Ui(output, raw=raw, quiet=quiet, verbose=verbose, usage=usage, data=data)


def _view(output: Output, out: Out, raw: bool, data: bool) -> View:
    match output:
        case "json":
            return JsonView(out)
        case "stream-json":
            return JsonLinesView(out)
    if data:
        return RawView(out, indent=out.is_terminal and not raw, cites=False)
    able = ability(out)
    if raw or not able.styled or not out.can_show(_GLYPHS):
        return RawView(out)
    return RenderedView(out, able)
