"""The conversation on its screen: a message is read, its answer is shown, and again."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from gemcli.chat import words
from gemcli.chat.clipboard import to_clipboard
from gemcli.chat.conversation import Conversation
from gemcli.commands.follow import follow
from gemcli.errors import GemcliError, OutputError
from gemcli.events import Error, Event, Result
from gemcli.failure import Terminated, failure
from gemcli.ui.keys import unread

_DOES_NOT_FIT = 4

Screen = AbstractContextManager[Callable[[Event], None]]


class Dropped(KeyboardInterrupt):
    """Ctrl-C where a message is typed.

    Args:
        empty: nothing was typed yet.
    """

    def __init__(self, empty: bool = False) -> None:
        super().__init__()
        self.empty = empty


class Loop:
    """Asks what is read until nothing more comes.

    Args:
        conversation: what is asked of.
        answers: opens a screen for one answer.
        works: opens one for what has progress but no answer.
        say: lines on stderr.
        tell: an error on stderr.
        asked: what is asked, given what was typed: a template's question around it.
        debug: show the traceback of a defect.
    """

    def __init__(
        self,
        conversation: Conversation,
        *,
        answers: Callable[[], Screen],
        works: Callable[[], Screen],
        say: Callable[[str], None],
        tell: Callable[[GemcliError], None],
        asked: Callable[[str], str] = str,
        debug: bool = False,
    ) -> None:
        self._conversation = conversation
        self._answers = answers
        self._works = works
        self._say = say
        self._tell = tell
        self._asked = asked
        self._debug = debug
        self._told = False
        self._answered = False
        self._between: Callable[[], None] = _nothing
        self.partial = False
        """Whether the last answer was stopped after it had begun."""
        self.code = 0
        """The exit code of the last message."""

    def typed(
        self,
        read: Callable[[], str],
        *,
        first: str | None = None,
        rest: Callable[[], None],
        between: Callable[[], None],
    ) -> None:
        """Messages of a person.

        Args:
            read: gives the next one; raises EOFError at their end, `Dropped` for a line that was given up.
            first: a question that is asked before.
            rest: called after each message: sets it off from the next.
            between: called between two answers.
        """
        self._between = between
        dropped = False
        with _interruptible():
            while True:
                if first is None:
                    try:
                        line = read()
                    except EOFError:
                        return
                    except Dropped as drop:
                        if drop.empty and dropped:
                            return
                        dropped = drop.empty
                        if dropped:
                            self._say("Ctrl-C again, or Ctrl-D, leaves")
                        continue
                    ask = self.take
                else:
                    line, first, ask = first, None, self.ask
                dropped = False
                try:
                    with unread():
                        if not ask(line):
                            return
                        if line.strip():
                            rest()
                except Terminated:
                    raise
                except KeyboardInterrupt:
                    self._say("stopped; what was said is kept" if self.partial else "stopped")
                    rest()

    def piped(self, lines: Iterator[str], *, first: str | None = None, between: Callable[[], None]) -> None:
        """Messages of a script, one a line.

        Args:
            lines: them.
            first: a question that is asked before.
            between: called between two answers.
        """
        self._between = between
        if first is not None:
            self.ask(first)
        for line in lines:
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
        if not words.is_word(line):
            return self.ask(self._asked(line.removeprefix("/") if line.startswith("//") else line))
        self._begin()
        stage = words.Stage(self._conversation, self._answer, self._work, to_clipboard)
        try:
            said = words.run(stage, line)
            if said:
                self._say(said)
        except words.Leave:
            return False
        except Exception as error:
            self._failed(error)
        return True

    def ask(self, question: str) -> bool:
        """Ask a question; True: the conversation goes on.

        Raises:
            KeyboardInterrupt: the answer was stopped.
        """
        self._begin()
        try:
            self._answer(self._conversation.ask(question))
        except Exception as error:
            self._failed(error)
        return True

    def _begin(self) -> None:
        self.code, self._told, self.partial = 0, False, False

    def _answer(self, events: Generator[Event]) -> None:
        """Show an answer."""
        if self._answered:
            self._between()
        self._answered = True
        with self._answers() as screen:

            def show(event: Event) -> None:
                self._told |= isinstance(event, Error)
                if isinstance(event, Result):
                    self.partial = event.data["finish_reason"] == "interrupt" and bool(event.data["answer"])
                screen(event)

            follow(events, show)

    def _work(self, events: Generator[Event, None, Any]) -> Any:
        """Show the progress of something else; returns what it made."""
        made: list[Any] = []

        def kept() -> Generator[Event]:
            made.append((yield from events))

        with self._works() as screen:
            follow(kept(), screen)
        return made[0]

    def _failed(self, error: Exception) -> None:
        """Say what went wrong; the conversation goes on, unless its answers reach nobody."""
        why = failure(error)
        self.code = why.code
        if not why.message or isinstance(error, OutputError):
            raise error
        if self._debug:
            import traceback

            traceback.print_exception(error, file=sys.stderr)
        if not self._told:
            self._tell(GemcliError(why.message, why.hint))
        elif why.code == _DOES_NOT_FIT:
            self._say(
                "/undo takes the last turn back, /drop forgets a document, /clear begins anew; "
                "`gemcli chat -c --context N` goes on in a larger window, where the model can have one"
            )


def _nothing() -> None:
    """What stands between two answers that a prompt sets apart."""


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
