"""How fast each model ran on this machine, remembered, so that a plan can say how long an answer takes.

A small JSON file in the cache folder.  Nothing is guessed: a model that never ran here has no estimate.
Losing the file, or not being able to write it, costs only the estimates.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from gemcli.settings import cache_dir, make_private

ENOUGH = 64
"""Prompt tokens below which a prefill says nothing about speed."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What one model did on this machine, newest runs counting most.

    Attributes:
        start_s: seconds from the start of a request until the model was loaded, without pulling it.
        prefill_tokens_per_s: tokens of prompt read in a second.
        decode_tokens_per_s: tokens of answer written in a second.
        answer_tokens: length of an answer.
    """

    start_s: float
    prefill_tokens_per_s: float
    decode_tokens_per_s: float
    answer_tokens: float

    def estimate(self, prompt: int, longest: int) -> dict[str, float]:
        """The contract's ``estimate`` for a prompt of so many tokens and an answer of at most `longest`."""
        first = self.start_s + prompt / self.prefill_tokens_per_s
        answer = min(self.answer_tokens, longest)
        return {
            "first_token_s": round(first, 2),
            "total_s": round(first + answer / self.decode_tokens_per_s, 2),
        }


def recall(model: str) -> Speed | None:
    """The remembered speed of a model; None where it never ran here."""
    try:
        speed = Speed(**{name: float(value) for name, value in _read()[model].items()})
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return speed if min(speed.prefill_tokens_per_s, speed.decode_tokens_per_s) > 0 else None


def pace(model: str, within: float) -> int | None:
    """Tokens of a prompt that a model reads on this machine `within` so many seconds, its start included.

    None where it never ran here.
    """
    known = recall(model)
    if known is None:
        return None
    return max(0, int((within - known.start_s) * known.prefill_tokens_per_s))


def remember(
    model: str, *, start_s: float, prompt: int, prefill_s: float, answer: int, decode_tokens_per_s: float
) -> None:
    """Take one finished run into account; a run too short to tell the speed is left out.

    Args:
        model: its name.
        start_s: seconds until it was loaded.
        prompt: tokens that were computed (not those taken from a cache).
        prefill_s: seconds for them.
        answer: tokens of the answer.
        decode_tokens_per_s: their speed.
    """
    if prompt < ENOUGH or prefill_s <= 0 or decode_tokens_per_s <= 0:
        return
    now = Speed(start_s, prompt / prefill_s, decode_tokens_per_s, answer)
    if before := recall(model):
        old, new = asdict(before), asdict(now)
        now = Speed(**{name: (old[name] + new[name]) / 2 for name in new})
    known = _read()
    known[model] = {name: round(value, 3) for name, value in asdict(now).items()}
    with suppress(Exception):  # an estimate is no reason to fail
        path = _path()
        make_private(path.parent)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            draft.write_text(json.dumps(known, indent=1), "utf-8")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _path() -> Path:
    return cache_dir() / "speed.json"


def _read() -> dict[str, dict[str, float]]:
    try:
        known = json.loads(_path().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
