"""How a prompt is cut into chunks, and how much room its cache gets: a few fixed shapes, so a few programs.

Large chunks are powers of two.  A pass reads all weights, which costs about as much as several tokens do, so
the last chunk is padded where that saves a pass at a small price.

The cuts are a function of the prompt alone, and those of its beginning a function of its beginning alone: so
what was computed for one prompt is, bit by bit, what another with the same beginning would compute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

CHUNKS = (8, 16, 24, 32, 64, 128, 256, 512, 1024)
"""The small ones are for a question behind a document: from eight tokens on each takes its time, padding too
(on two cores 16 take twice as long as 8: 0.37 s with Qwen2.5-Coder-1.5B)."""

LARGEST = CHUNKS[-1]
_SMALLEST_CACHE = 2048
_COARSE = 16_384
ANSWER_ROOM = 1024
"""Tokens of an answer that a cache holds from the start; it grows beyond."""

_CHEAP_PADDING = 64  # tokens
_STEP = 128  # sizes of chunks beyond the largest, for blocks that are longer
_APART = 256  # tokens: what a mark spares the next prompt must be worth the pass that its cut costs


def kept(marks: Sequence[int], count: int) -> tuple[int, ...]:
    """The marks of a prompt of `count` tokens at which it is cut: rising, and none close behind another.

    Whether one is kept depends on nothing behind it.
    """
    found: list[int] = []
    for mark in sorted(set(marks)):
        if (found[-1] if found else 0) + _APART <= mark < count:
            found.append(mark)
    return tuple(found)


def chunks(
    count: int, whole: Sequence[tuple[int, int]] = (), marks: Sequence[int] = ()
) -> Iterator[tuple[int, int]]:
    """Sizes of the chunks that take `count` tokens: (tokens, size compiled for), in order.

    Args:
        count: tokens in all.
        whole: (begin, end) of runs of tokens that must not be divided, rising, without overlap.
        marks: tokens behind which a chunk is to end, rising.
    """
    ends = [mark for mark in marks if 0 < mark < count and not any(b < mark < e for b, e in whole)]
    done = 0
    for end in (*ends, count):
        for taken, size in _until(end, done, whole):
            yield taken, size
            done += taken


def _until(count: int, done: int, whole: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The chunks that take the tokens from `done` to `count`."""
    while done < count:
        size = _size(count - done)
        taken = min(size, count - done)
        for begin, end in whole:
            if begin < done + taken < end:
                if begin > done:
                    taken = begin - done
                    size = min(size, above(taken))
                else:
                    size = above(end - done)
                    taken = end - done
                break
        yield taken, size
        done += taken


def slots(tokens: int) -> int:
    """Slots of a full cache that is to hold `tokens`, and room for a padded chunk behind.

    A power of two; beyond 16,384, where memory counts for more than programs do, a quarter of one more or
    less.
    """
    size = _SMALLEST_CACHE
    while size < tokens:
        size *= 2
    if size > _COARSE:
        step = size // 8
        size = -(-tokens // step) * step
    return size + LARGEST


def above(count: int) -> int:
    """The smallest size that takes so many tokens at once."""
    if count > LARGEST:
        return -(-count // _STEP) * _STEP
    return next(size for size in CHUNKS if size >= count)


def _size(count: int) -> int:
    if count >= LARGEST:
        return LARGEST
    above = next(size for size in CHUNKS if size >= count)
    padding = above - count
    return above if padding <= _CHEAP_PADDING or above == CHUNKS[0] else above // 2
