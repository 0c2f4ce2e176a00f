"""A text on the clipboard: through the system's own program where there is one, else by the terminal."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from gemcli.errors import GemcliError

_PROGRAMS = (
    ("", ["pbcopy"]),
    ("WAYLAND_DISPLAY", ["wl-copy"]),
    ("DISPLAY", ["xclip", "-selection", "clipboard"]),
    ("DISPLAY", ["xsel", "--clipboard", "--input"]),
    ("", ["clip.exe"]),
)
"""The variable without which it cannot work, and the program."""

_MOST = 74_994
"""Bytes of text that terminals surely take: more than 100,000 characters of base64 they cut or refuse."""


def to_clipboard(text: str) -> str:
    """Put a text on the clipboard; returns what was done.

    Raises:
        GemcliError: there is none, or it does not take so much.
    """
    data = text.encode("utf-8", "replace")
    if not os.environ.get("SSH_CONNECTION"):  # there the programs reach the clipboard of the wrong machine
        for variable, program in _PROGRAMS:
            if (
                (not variable or os.environ.get(variable))
                and shutil.which(program[0])
                and _run(program, data)
            ):
                return "the answer is on the clipboard"
    if os.environ.get("TERM", "").lower() in ("", "dumb", "unknown"):
        raise GemcliError("there is no clipboard here", "/save FILE writes the conversation to a file.")
    if len(data) > _MOST:
        raise GemcliError(
            f"the answer has {len(data):,} bytes, and a terminal's clipboard takes {_MOST:,}",
            "/save FILE writes the conversation to a file.",
        )
    with suppress(OSError), Path("/dev/tty").open("wb", 0) as terminal:
        terminal.write(copied(data))
        return "the answer was given to the terminal's clipboard"
    raise GemcliError("there is no clipboard here", "/save FILE writes the conversation to a file.")


def copied(data: bytes) -> bytes:
    """The sequence that puts bytes on the clipboard of the terminal's machine (xterm's OSC 52)."""
    return b"\x1b]52;c;" + base64.b64encode(data) + b"\a"


def _run(program: list[str], data: bytes) -> bool:
    try:
        subprocess.run(
            program,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True
