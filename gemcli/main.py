"""Where the program begins and how it ends: every ending has its exit code and one clear message.

Everything else is imported inside `run`: an interrupt ends the program quietly from its first moment on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from gemcli.commands.session import Output, Session
from gemcli.failure import Failure, Terminated, failure
from gemcli.garbage import seldom


def run() -> NoReturn:
    """Run the command line and end the process with the contract's exit code."""
    if sys.argv[1:2] == ["__names"]:
        from gemcli.completion import names

        names.answer(sys.argv[2:])
        _leave(0)
    seldom()
    session = Session()
    code = 0
    signals: list[int] = []
    try:
        _catch_signals(signals)
        execute(sys.argv[1:], session)
        _flush()
    except BaseException as error:
        signals.append(0)  # what comes while the end is told does not start another
        code = end(error, sys.argv[1:], session)
    _leave(code)


def execute(arguments: Sequence[str], session: Session) -> None:
    """Run one command line; every ending but success is an exception."""
    from gemcli.commands.tree import command_tree

    group = command_tree()
    with group.make_context("gemcli", list(arguments), obj=session) as context:
        group.invoke(context)


def end(error: BaseException, arguments: Sequence[str], session: Session) -> int:
    """Say what there is to say about the exception that ended a command; returns the exit code."""
    import typer

    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, typer.Abort):
        error = KeyboardInterrupt()
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(str(error))
        return 0
    why = _misused(error, session) if isinstance(error, typer.TyperException) else failure(error)
    if why.message:
        with suppress(Exception):  # whatever is wrong with the streams, the exit code stands
            _tell(error, why, arguments, session)
    return why.code


def _tell(error: BaseException, why: Failure, arguments: Sequence[str], session: Session) -> None:
    """The failure on stderr, and on stdout where a program reads it."""
    from gemcli.errors import GemcliError
    from gemcli.ui import emit_json, error_object, say, show_error

    if (session.debug or "--debug" in arguments) and not isinstance(error, KeyboardInterrupt):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        say(why.message)
    elif not session.told:
        show_error(GemcliError(why.message, why.hint))
    output = session.output or _wanted_output(arguments)
    if session.printed or output == "text":
        return
    if session.command not in ("", "ask"):
        emit_json({"schema_version": 1, "error": why.to_json()})
        return
    stopped = {"finish_reason": "interrupt"} if isinstance(error, KeyboardInterrupt) else {}
    answer = error_object(why.code, why.message, **stopped)
    if output == "stream-json":
        emit_json({"type": "error", **why.to_json(), "hint": why.hint})
        answer = {"type": "result", **answer}
    emit_json(answer)


def _misused(error: Exception, session: Session) -> Failure:
    """What the command line parser found wrong, with the place that a bad value came from."""
    message = str(getattr(error, "format_message", lambda: error)()).replace("\n\t", " ")
    context, param = getattr(error, "ctx", None), getattr(error, "param", None)
    path = context.command_path if context is not None else f"gemcli {session.command}".strip()
    hint = f"`{path} --help` shows what it takes."
    if context is not None and param is not None:
        source = context.get_parameter_source(param.name)
        if source is not None and source.name == "ENVIRONMENT":
            message = f"{message.rstrip('.')} (from the variable {param.envvar})"
        elif source is not None and source.name == "DEFAULT_MAP":
            from gemcli.settings import config_path

            message = f"{message.rstrip('.')} (from {config_path()})"
    return Failure(getattr(error, "exit_code", 2), message, hint)


def _wanted_output(arguments: Sequence[str]) -> Output:
    """The form of stdout that was asked for, on a command line that could not be parsed."""
    wanted = os.environ.get("GEMCLI_OUTPUT_FORMAT", "text")
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == "--json":
            wanted = "json"
        elif word in ("-o", "--output-format"):
            wanted = following
        elif word.startswith(("-o", "--output-format=")):
            wanted = word.removeprefix("--output-format=").removeprefix("-o")
    return wanted if wanted == "json" or wanted == "stream-json" else "text"


def _catch_signals(seen: list[int]) -> None:
    """The first interrupt ends the work and says what there is; a second one ends the process at once.

    `seen` gathers the signals; whoever puts something into it makes the next one the second.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            _force(number)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # `nohup`, a job in a script's background
        signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)


def _force(number: int) -> NoReturn:
    """End now, leaving the terminal as a shell expects it."""
    keys = sys.modules.get("gemcli.ui.keys")
    if keys is not None:
        keys.restore()
    with suppress(OSError):
        if os.isatty(2):
            os.write(2, b"\x1b[?7h\x1b[?25h\x1b[0m\r\n")
    os._exit(128 + number)


def _flush() -> None:
    """Write out what is still held; raises where nobody reads it."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()


def _leave(code: int) -> NoReturn:
    """End the process, without waiting for work that was given up."""
    try:
        _flush()
    except (OSError, ValueError):
        code = code or 141
        os._exit(code)
    if threading.active_count() > 1:
        os._exit(code)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said: the interpreter's own end would die of it
    sys.exit(code)
