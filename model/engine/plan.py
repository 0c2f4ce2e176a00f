"""How a prompt is cut into chunks, and how much room its cache gets: a few fixed shapes, so a few programs.

Chunk sizes are powers of two.  A prompt takes the largest chunks while it can, then one or two smaller ones; the
last is padded, by less than a third unless it is tiny.
"""

from __future__ import annotations

from collections.abc import Iterator

CHUNKS = (32, 64, 128, 256, 512)
LARGEST = CHUNKS[-1]
_SMALLEST_CACHE = 2048


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
    for smaller, size in zip(CHUNKS, CHUNKS[1:], strict=False):
        # Padding a little is cheaper than a second pass over all weights.
        if count <= smaller or (count < size and 3 * count < 2 * size):
            return smaller
    return LARGEST
