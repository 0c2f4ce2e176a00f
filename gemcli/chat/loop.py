"""The conversation on its screen: a message is read, its answer is shown, and again."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol

from gemcli.chat import words
from gemcli.chat.conversation import Conversation
from gemcli.commands.follow import follow
from gemcli.errors import GemcliError
from gemcli.events import Error, Event
from gemcli.failure import failure

TWICE_S = 2.0
"""Within which a second Ctrl-C on an empty line means to leave."""

_DOES_NOT_FIT = 4


class Screen(Protocol):
    """What the events of one answer are shown on."""

    def __call__(self, event: Event) -> None:
        """Show an event."""
        ...


Open = Callable[[], AbstractContextManager[Screen]]


class Loop:
    """Asks what is read until nothing more comes.

    Args:
        conversation: what is asked of.
        open_screen: opens a screen for one answer.
        say: a line on stderr.
        tell: an error on stderr.
        debug: show the traceback of a defect.
    """

    def __init__(
        self,
        conversation: Conversation,
        open_screen: Open,
        say: Callable[[str], None],
        tell: Callable[[GemcliError], None],
        *,
        debug: bool = False,
    ) -> None:
        self._conversation = conversation
        self._open = open_screen
        self._say = say
        self._tell = tell
        self._debug = debug
        self.code = 0
        """The exit code of the last message."""

    def typed(self, read: Callable[[], str]) -> None:
        """Messages of a person; `read` raises EOFError at their end, KeyboardInterrupt for a dropped line."""
        dropped = float("-inf")
        with _interruptible():
            while True:
                try:
                    line = read()
                except EOFError:
                    return
                except KeyboardInterrupt:
                    if time.monotonic() - dropped < TWICE_S:
                        return
                    dropped = time.monotonic()
                    self._say("Ctrl-C again, or Ctrl-D, leaves")
                    continue
                dropped = float("-inf")
                try:
                    if not self.take(line):
                        return
                except KeyboardInterrupt:
                    self._say("stopped")

    def piped(self, lines: Iterator[str], write: Callable[[str], None]) -> None:
        """Messages of a script, one a line; a blank line stands between two answers on stdout."""
        first = True
        for line in lines:
            if not line.strip():
                continue
            if not first and not line.startswith("/"):
                write("\n")
            first = first and line.startswith("/")
            if not self.take(line):
                return

    def take(self, line: str) -> bool:
        """Do or ask what a message says; False where it says to leave.

        Raises:
            KeyboardInterrupt: the answer was stopped.
        """
        line = line.strip()
        if not line:
            return True
        self.code = 0
        try:
            if line.startswith("/") and not line.startswith("//"):
                self._say(words.run(self._conversation, line))
            else:
                self._ask(line.removeprefix("/") if line.startswith("//") else line)
        except words.Leave:
            return False
        except words.Again as again:
            return self._retry(again.question)
        except words.Copy as copy:
            self._copy(copy.text)
        except Exception as error:
            self._failed(error, told=False)
        return True

    def _retry(self, question: str) -> bool:
        self._ask(question, again=True)
        return True

    def _ask(self, question: str, *, again: bool = False) -> None:
        told = False

        def show(event: Event) -> None:
            nonlocal told
            told |= isinstance(event, Error)
            screen(event)

        try:
            with self._open() as screen:
                follow(self._conversation.ask(question, again=again), show)
        except Exception as error:
            self._failed(error, told=told)

    def _copy(self, text: str) -> None:
        from gemcli.chat.editor import to_clipboard

        try:
            self._say(to_clipboard(text))
        except GemcliError as error:
            self._failed(error, told=False)

    def _failed(self, error: Exception, *, told: bool) -> None:
        """Say what went wrong; the conversation goes on, unless nobody reads what it says."""
        why = failure(error)
        self.code = why.code
        if not why.message:
            raise error
        if self._debug:
            import traceback

            traceback.print_exception(error, file=sys.stderr)
        if not told:
            self._tell(GemcliError(why.message, why.hint))
        elif why.code == _DOES_NOT_FIT:
            self._say("/undo takes the last turn back, /drop forgets a document, /clear begins anew")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Every Ctrl-C is an interrupt of its own: none ends the program."""
    before = signal.getsignal(signal.SIGINT)
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        with suppress(ValueError):
            signal.signal(signal.SIGINT, before)
