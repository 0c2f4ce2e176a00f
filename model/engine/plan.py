"""How a prompt is cut into chunks, and how much room its cache gets: a few fixed shapes, so a few programs.

Chunk sizes are powers of two.  A pass reads and widens all weights, which costs about as much as a few dozen
tokens do (measured: 0.35 s of a processor's time, against 5 ms a token, for SmolLM2-135M), so the last chunk
is padded where that saves a pass at a small price.
"""

from __future__ import annotations

from collections.abc import Iterator

CHUNKS = (32, 64, 128, 256, 512, 1024)
LARGEST = CHUNKS[-1]
_SMALLEST_CACHE = 2048
_CHEAP_PADDING = 64  # tokens


def chunks(count: int) -> Iterator[tuple[int, int]]:
    """Sizes of the chunks that take `count` tokens: (tokens, size compiled for), in order."""
    while count > 0:
        size = _size(count)
        taken = min(size, count)
        yield taken, size
        count -= taken


def slots(tokens: int) -> int:
    """Slots of a full cache that is to hold `tokens`: a power of two, and room for a padded chunk behind."""
    size = _SMALLEST_CACHE
    while size < tokens:
        size *= 2
    return size + LARGEST


def _size(count: int) -> int:
    if count >= LARGEST:
        return LARGEST
    above = next(size for size in CHUNKS if size >= count)
    padding = above - count
    return above if padding <= _CHEAP_PADDING or above == CHUNKS[0] else above // 2
