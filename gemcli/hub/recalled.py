"""What was measured of the catalogue's models beyond what they were trained for; whoever goes there is told.

Every figure is one of ``gemcli bench needle FILE -m MODEL --lengths N --depths 0.1,0.5,0.9 --attention HOW``,
FILE being a few plain sentences again and again, on a processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RECALLED: Mapping[tuple[str, str], Mapping[int, tuple[int, int]]] = MappingProxyType(
    {
        ("gemma-3-270m", "sparse"): {65_536: (3, 3), 131_072: (3, 3)},
        ("qwen2.5-coder-0.5b", "sparse"): {65_536: (3, 3)},
    }
)
"""Model and attention → tokens of the prompt → pass keys found, and hidden."""


def recalled(name: str, attention: str) -> str | None:
    """What was found of what was hidden, by length; None where nobody measured it."""
    found = RECALLED.get((name, attention))
    if not found:
        return None
    return ", ".join(
        f"{right} of {hidden} pass keys at {length:,}" for length, (right, hidden) in found.items()
    )
