"""The line of ``--usage``: what the answer took."""

from __future__ import annotations

from collections.abc import Mapping


def usage_line(result: Mapping[str, object]) -> str:
    """Tokens, speed and times of the contract's answer object, in one line; what is unknown is left out."""
    usage = _mapping(result.get("usage"))
    timings = _mapping(result.get("timings"))
    parts: list[str] = []
    prompt, cached, answer, drafted, accepted = (
        _number(usage.get(f"{key}_tokens"))
        for key in ("prompt", "cached", "completion", "drafted", "accepted")
    )
    if prompt is not None:
        parts.append(f"{prompt:,.0f} prompt tokens" + (f" ({cached:,.0f} cached)" if cached else ""))
    if answer is not None:
        looked = f" ({accepted or 0:,.0f} of {drafted:,.0f} drafts right)" if drafted else ""
        parts.append(f"{answer:,.0f} answer tokens{looked}")
    speed, first, total = (
        _number(timings.get(key)) for key in ("decode_tokens_per_s", "first_token_s", "total_s")
    )
    if speed is not None:
        parts.append(f"{speed:,.1f} tokens/s")
    if first is not None:
        parts.append(f"first token {first:,.2f} s")
    if total is not None:
        parts.append(f"total {total:,.2f} s")
    return ", ".join(parts) or "no usage is known"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
