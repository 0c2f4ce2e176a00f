"""``gemcli chat [FILES…]``: a conversation, about files or about nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from gemcli.commands.flags import Flags, as_request, files_of, shared
from gemcli.commands.preset import Preset, preset_of
from gemcli.commands.session import begin
from gemcli.errors import GemcliError, UsageError

if TYPE_CHECKING:
    from gemcli.chat.conversation import Conversation


@shared(without=("keep_going",))
def chat(
    ctx: typer.Context,
    flags: Flags,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILES", hidden=True, show_default=False)
    ] = None,
) -> None:
    """Talk with the model, about files or about nothing.

    On a terminal, /help lists what can be done; Ctrl-C stops an answer, Ctrl-D leaves.  Elsewhere every line
    of stdin is a question, and the answers go to stdout with a blank line between them; the exit code is the
    last answer's.  `gemcli chat -c` goes on with the newest conversation.
    """
    session = begin(ctx, flags)

    from gemcli.chat.conversation import Conversation
    from gemcli.chat.loop import Loop
    from gemcli.ui import emit_text, open_ui, say, show_error, show_lines

    preset = preset_of(ctx)
    _check(["-"] if flags["files_from"] == "-" else [])
    named = files_of(flags, files or ())
    _check(named)
    request = as_request(flags, "", named, started=session.started, stdin_is_free=False)
    request = preset.upon(request, flags)
    conversation = Conversation(request)
    form = session.output or "text"
    screen = partial(
        open_ui,
        raw=flags["raw"],
        quiet=flags["quiet"],
        verbose=flags["verbose"],
        usage=flags["usage"],
        data=request.schema is not None,
    )
    loop = Loop(
        conversation,
        answers=partial(screen, form),
        works=screen,
        say=show_lines,
        tell=show_error,
        asked=_asked(preset),
        debug=session.debug,
    )
    session.printed = True
    conversation.warm()
    blank = partial(emit_text, "\n") if form == "text" else _nothing
    first = preset.question(None) if preset.asks else None
    if _is_typed():
        if not flags["quiet"]:
            if conversation.said:
                say(f"the conversation {conversation.id} goes on; so far: {len(conversation.said)}")
            say("/help lists what can be done; Ctrl-D leaves")
        read = _reader(conversation, keep=not (flags["private"] or flags["no_log"]))
        seen = sys.stdout.isatty()  # there with the prompts between the answers
        rest, between = (blank, _nothing) if seen else (_nothing, blank)
        loop.typed(read, first=first, rest=rest, between=between)
        return
    loop.piped(_lines(), first=first, between=blank)
    if loop.code:
        session.told = True
        raise _Failed(loop.code)


def _asked(preset: Preset) -> Callable[[str], str]:
    """A template that takes a question is filled with each; one that brings its own was asked at first."""
    template = preset.template
    if template is None or template.prompt is None or preset.asks:
        return str
    return preset.question


def _check(words: list[str]) -> None:
    """Say at once what is not there.

    Raises:
        InputError: a file is not.
        UsageError: stdin is named, where the questions come from.
    """
    from gemcli.ingest.locate import STDIN, locate

    for word in words:
        if any(source.name == STDIN for source in locate(word).sources):
            raise UsageError(
                "the questions come from stdin, which cannot be a document too", "Name a file instead of -."
            )


def _is_typed() -> bool:
    """Whether a person types, and sees what they type."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    return any(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr))


def _reader(conversation: Conversation, *, keep: bool) -> Callable[[], str]:
    """What reads messages from the terminal; `keep`: what is typed is there again the next time."""
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        from gemcli.chat.plain import Plain

        return Plain().read
    from gemcli.chat.editor import Editor

    return Editor(conversation, keep=keep).read


def _lines() -> Iterator[str]:
    """Lines of stdin, whatever bytes are in them."""
    if sys.stdin is not None:
        for line in sys.stdin.buffer:
            yield line.decode("utf-8", "replace").lstrip("\ufeff")


def _nothing() -> None:
    """What a program reads needs nothing between two answers."""


class _Failed(GemcliError):
    """The last answer failed, and it was said why."""

    def __init__(self, code: int) -> None:
        super().__init__("the last answer failed")
        self.exit_code = code
