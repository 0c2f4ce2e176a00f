"""The line that a person types on: history, completion, and messages of several lines."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable
from contextlib import suppress

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth, create_output

from gemcli.chat.conversation import Conversation
from gemcli.chat.fence import MORE, PROMPT, is_open, unfenced
from gemcli.chat.loop import Dropped
from gemcli.chat.words import WORDS
from gemcli.errors import GemcliError
from gemcli.history.leftovers import typed_lines
from gemcli.settings import make_private


class Editor:
    """Reads messages from a terminal.

    Args:
        conversation: whose documents are completed.
        keep: whether what is typed is kept for the next time.
    """

    def __init__(self, conversation: Conversation, *, keep: bool) -> None:
        stream = sys.stdout if sys.stdout.isatty() else sys.stderr
        self._session: PromptSession[str] = PromptSession(
            message=PROMPT,
            prompt_continuation=lambda width, number, wrapped: MORE[:width],
            history=_history() if keep else InMemoryHistory(),
            completer=_Words(conversation),
            complete_while_typing=False,
            multiline=Condition(lambda: is_open(self._session.default_buffer.text)),
            key_bindings=_keys(),
            output=create_output(stream),
            color_depth=ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None,
            enable_history_search=True,
            mouse_support=False,
        )

    def read(self) -> str:
        """The next message.

        Raises:
            EOFError: there is none: the person left.
            Dropped: the line was given up.
        """
        try:
            return unfenced(self._session.prompt())
        except BaseException:
            self._tidy()
            raise

    def _tidy(self) -> None:
        """Leave the terminal as it was found: the library does not, after a signal while it paints."""
        output = self._session.output
        output.disable_bracketed_paste()
        output.enable_autowrap()
        output.show_cursor()
        output.flush()


def _slash(found: Completion) -> str:
    """What a folder's name is followed by."""
    return "/" if found.display_text.endswith("/") else ""


def _plain(word: str) -> str:
    """A word of a command as it is meant, though its quotation may not be closed yet."""
    for ending in ("", '"', "'"):
        with suppress(ValueError):
            return "".join(shlex.split(word + ending))
    return word


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    @keys.add("c-j")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    @keys.add("<sigint>")
    def _(event: KeyPressEvent) -> None:
        event.app.exit(exception=Dropped(not event.current_buffer.text), style="class:aborting")

    return keys


def _history() -> History:
    """The kept one; where it cannot be written, one that ends with the program."""
    try:
        path = typed_lines()
        make_private(path.parent)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with path.open("r+b"):
            return _Kept(str(path))
    except (GemcliError, OSError):
        return InMemoryHistory()


class _Kept(FileHistory):
    """A disk that fills up takes nothing but the memory of what was typed."""

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)


_LAST = re.compile(r"""(?:[^\s\\'"]|\\.|'[^']*'?|"[^"]*"?)*\Z""")
_UNSAFE = re.compile(r"([^\w@%+=:,./~#-])")


class _Words(Completer):
    """Commands, then what they take."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        name, space, rest = text[1:].partition(" ")
        if not space:
            for word, about in WORDS.items():
                if word.startswith(name):
                    yield Completion(
                        f"{word} " if about.takes else word, -len(name), word, display_meta=about.help
                    )
        elif name == "add":
            yield from self._files(rest, complete_event)
        elif name == "save":
            for found in self._paths.get_completions(Document(rest, len(rest)), complete_event):
                yield Completion(found.text + _slash(found), 0, found.display)
        elif name == "drop":
            for each in self._conversation.documents():
                if each.name.startswith(rest):
                    yield Completion(each.name, -len(rest))
        elif name == "model":
            from gemcli.hub.store import installed

            for model in installed():
                if model.name.startswith(rest):
                    yield Completion(model.name, -len(rest))

    def _files(self, rest: str, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Files for the last of several words, quoted where they need it."""
        found = _LAST.search(rest)
        assert found is not None, "it matches nothing at all too"
        word = _plain(found.group())
        for each in self._paths.get_completions(Document(word, len(word)), complete_event):
            whole = _UNSAFE.sub(r"\\\1", word + each.text) + _slash(each)
            yield Completion(whole, -len(found.group()), each.display)
