"""``gemcli chat [FILES…]``: a conversation, about files or about nothing."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated

import typer

from gemcli.commands.flags import Flags, as_request, files_of, shared
from gemcli.commands.preset import preset_of
from gemcli.commands.session import begin
from gemcli.errors import GemcliError, UsageError


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
    session = begin(ctx, flags["output_format"], flags["json"], flags["debug"])

    from gemcli.chat.conversation import Conversation
    from gemcli.chat.loop import Loop
    from gemcli.ui import emit_text, open_ui, say, show_error, show_lines

    if "-" in (files or ()) or flags["files_from"] == "-":
        raise UsageError("the questions come from stdin, which cannot be a document too", "Name a file.")
    preset = preset_of(ctx)
    named = files_of(flags, files or ())
    request = as_request(flags, "", named, started=session.started, stdin_is_free=False)
    request = preset.upon(request, flags)
    conversation = Conversation(request)
    _check(named)
    form = "json" if flags["json"] else flags["output_format"]
    screen = partial(
        open_ui,
        form,
        raw=flags["raw"],
        quiet=flags["quiet"],
        verbose=flags["verbose"],
        usage=flags["usage"],
        data=request.schema is not None,
    )
    loop = Loop(conversation, screen, show_lines, show_error, debug=session.debug)
    session.printed = True
    conversation.warm()
    if preset.asks:
        loop.take(preset.question(None))
    if sys.stdin is not None and sys.stdin.isatty():
        from gemcli.chat.editor import Editor

        if not flags["quiet"]:
            say("/help lists what can be done; Ctrl-D leaves")
        loop.typed(Editor(conversation, keep=not (flags["private"] or flags["no_log"])).read)
        return
    blank = emit_text if form == "text" else lambda text: None
    loop.piped(iter(sys.stdin or ()), blank)
    if loop.code:
        session.told = True
        raise _Failed(loop.code)


def _check(files: list[str]) -> None:
    """Say at once what is not there.

    Raises:
        InputError: a file is not.
    """
    from gemcli.ingest.locate import locate

    for each in files:
        locate(each)


class _Failed(GemcliError):
    """The last answer failed, and it was said why."""

    def __init__(self, code: int) -> None:
        super().__init__("the last answer failed")
        self.exit_code = code
