"""Whole commands, timed from the start of their process to the first byte that they say, and to their end."""

from __future__ import annotations

import importlib.util
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gemcli.assistant import ALONE
from gemcli.bench.process import environment, last_line, module_command
from gemcli.errors import GemcliError

QUESTION = "What is said about assignment?"
TOKENS = 8
"""Tokens of an answer."""

_BEFORE = 2  # runs before it counts: the first writes what the others find
_PATIENCE_S = 600.0
_LOOK_S = 0.1
_HOME = "GEMCLI_HOME"
_SOCKET = ("cache", "run", "gemcli.sock")  # in it, see `gemcli.client.daemon.socket_path`


def starts(
    model: Path, document: str, runs: int, device: str, attention: str, report: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Medians of ``gemcli --help`` and of a question about a document that was read before.

    All in a home of their own: what the person has set, keeps or serves changes nothing, and nothing is left.

    Args:
        model: the model's file.
        document: text.
        runs: of each.
        device: where to compute.
        attention: how a text is read that is longer than the model was trained for.
        report: told what comes next.

    Returns:
        A row each for the help, a question that its own process answers, and one that a server with
        ``--keep-alive`` answers; the last is missing where no server can be started here,
        or `attention` is one that servers do not offer.

    Raises:
        GemcliError: a command failed.
    """
    with tempfile.TemporaryDirectory(prefix="gemcli-start-") as scratch:
        env = _alone(Path(scratch, "home"))
        path = Path(scratch, "document.txt")
        path.write_text(document, "utf-8")
        given = ("-m", str(model.resolve()), "--device", device)
        ask = ("ask", QUESTION, str(path), *given, "--max-tokens", str(TOKENS), "--no-log", "--quiet")
        ask += ("--attention", attention)
        report("help")
        rows = [_row("help", [_timed(("--help",), env) for _ in range(runs)])]
        report("ask")
        rows.append(_row("ask", _times((*ask, "--host", ALONE), runs, env)))
        serves = attention == "auto" and hasattr(socket, "AF_UNIX")
        if serves and all(map(importlib.util.find_spec, ("uvicorn", "starlette"))):
            report("ask, through a server")
            with _serving(given, env):
                rows.append(_row("ask, through a server", _times(ask, runs, env)))
    return rows


def _alone(home: Path) -> dict[str, str]:
    """The variables of processes that know nothing of the person but this home."""
    others = {name: value for name, value in environment().items() if not name.startswith("GEMCLI_")}
    return others | {_HOME: str(home)}


def _times(command: Sequence[str], runs: int, env: Mapping[str, str]) -> list[tuple[float, float]]:
    return [_timed(command, env) for _ in range(_BEFORE + runs)][_BEFORE:]


def _row(what: str, times: Sequence[tuple[float, float]]) -> dict[str, Any]:
    firsts, ends = zip(*times, strict=True)
    return {
        "command": what,
        "first_byte_s": round(statistics.median(firsts), 3),
        "end_s": round(statistics.median(ends), 3),
        "fastest_first_byte_s": round(min(firsts), 3),
        "runs": len(times),
    }


def _timed(command: Sequence[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Seconds until a command says something, and until it ends."""
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        with subprocess.Popen(
            module_command("gemcli", *command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=env,
        ) as process:
            assert process.stdout is not None
            try:
                os.read(process.stdout.fileno(), 1)
                first = time.perf_counter() - began
                process.stdout.read()
                code = process.wait()
            except BaseException:
                process.kill()
                raise
            end = time.perf_counter() - began
        if code:
            raise GemcliError(f"`gemcli {command[0]}` failed: {last_line(errors) or f'exit status {code}'}")
    return first, end


@contextmanager
def _serving(given: Sequence[str], env: Mapping[str, str]) -> Iterator[None]:
    """A server that `ask` finds by itself, as long as the block lasts."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            module_command("gemcli", "serve", *given, "--keep-alive", "10m"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=env,
        )
        try:
            end = time.monotonic() + _PATIENCE_S
            while process.poll() is None and not _answers(Path(env[_HOME])) and time.monotonic() < end:
                time.sleep(_LOOK_S)
            if process.poll() is not None or time.monotonic() >= end:
                raise GemcliError(f"`gemcli serve` did not start: {last_line(errors)}")
            yield
        finally:
            process.terminate()
            try:
                process.wait(_LOOK_S * 100)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(home: Path) -> bool:
    from gemcli.client.address import parse
    from gemcli.client.link import Link

    path = home.joinpath(*_SOCKET)
    with suppress(GemcliError), Link(parse(f"unix:{path}"), connect_s=1, silent_s=5) as link:
        return bool(link.get("/gemcli/v1"))
    return False
