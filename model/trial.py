"""What a kernel in Pallas cannot do on a machine: known beforehand, or found out by trying it."""

from __future__ import annotations

_UNADDRESSED = range(1 << 31, (1 << 32) + 1)


def can_address(count: int) -> bool:
    """Whether each of so many bytes is found: offsets have a sign, and 64 bits only beyond 4 GiB."""
    return count not in _UNADDRESSED


def refusal(error: Exception) -> str:
    """Why a kernel does not run, in a line, by whatever a compiler or a driver raised."""
    lines = str(error).splitlines() or [type(error).__name__]
    return f"it does not run here: {lines[0][:200]}"
