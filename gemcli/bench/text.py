"""Real text to measure with, as long as need be: what a prompt says changes its tokens, not its speed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gemcli.errors import GemcliError, InputError, UsageError

if TYPE_CHECKING:
    from model.tokenizer.base import Tokenizer

LIKELY = 16
"""Characters that a token of real text has at most, nearly always."""


def standing_text() -> str:
    """A text that every Python carries: its language reference, half a million characters of English.

    Raises:
        GemcliError: this Python was stripped of it.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise GemcliError(
            "this Python comes without the text of its help", "Give another text with --text FILE."
        ) from None
    return "\n\n".join(topics[name] for name in sorted(topics))


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        InputError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def text_of(path: Path | None) -> str:
    """The text of a file, or the standing one; raises as `read_text` and `standing_text`."""
    return read_text(path) if path else standing_text()


def prompt(tokenizer: Tokenizer, text: str, tokens: int) -> list[int]:
    """The first `tokens` ids of a text, with the beginning that the model expects.

    Raises:
        UsageError: the text is shorter.
    """
    start = [tokenizer.bos_id] if tokenizer.add_bos and tokenizer.bos_id is not None else []
    for length in (LIKELY * tokens, len(text)):  # a whole book takes long to cut up
        ids = [*start, *tokenizer.encode(text[:length])]
        if len(ids) >= tokens:
            return ids[:tokens]
    raise UsageError(
        f"the text has {len(ids):,} tokens, and the prompt is to have {tokens:,}",
        "Give a longer one with --text FILE, or fewer --prompt-tokens.",
    )
