"""Names for conversations: unique, and in the order of time when sorted as text (ULID)."""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """A new ULID in lower case: 48 bits of milliseconds since 1970, then 80 random bits, in base 32.

    Source: https://github.com/ulid/spec
    """
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
