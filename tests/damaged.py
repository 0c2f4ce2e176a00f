"""Files damaged at random, the same each time: flipped bits, lost, repeated and foreign pieces, cut ends."""

import contextlib
import random

from gemcli.errors import GemcliError
from gemcli.ingest.source import Source


def variants(whole: bytes, count: int, words: tuple[bytes, ...] = ()):
    """`count` damaged versions; `words` of the format are put in at random places too."""
    for seed in range(count):
        generator = random.Random(seed)
        data = bytearray(whole)
        for _ in range(generator.choice([1, 2, 5, 20])):
            at = generator.randrange(len(data) or 1)
            kind = generator.randrange(6)
            if kind == 0 and data:
                data[at] ^= 1 << generator.randrange(8)
            elif kind == 1:
                del data[at : at + generator.randrange(1, 80)]
            elif kind == 2:
                data[at:at] = generator.randbytes(generator.randrange(1, 30))
            elif kind == 3:
                other = generator.randrange(len(data) or 1)
                data[at : at + 60] = data[other : other + 60]
            elif kind == 4 and words:
                data[at:at] = generator.choice(words)
            else:
                del data[max(at, len(data) // 2) :]
        yield bytes(data)


def outcomes(read, whole: bytes, media_type: str, count: int = 200, words: tuple[bytes, ...] = ()):
    """How many variants a handler read and refused; any other end fails."""
    counts = {"read": 0, "refused": 0}
    for data in variants(whole, count, words):
        document, refusal = None, None
        try:
            document = read(Source("damaged", None, media_type, data), lambda done, total: None)
        except GemcliError as error:
            refusal = error
        if document is None:
            assert refusal is not None
            assert refusal.exit_code == 3
            assert refusal.message.startswith("damaged")
            counts["refused"] += 1
            continue
        assert document.parts
        for part in document.parts:
            assert part.anchor.label()
            if not hasattr(part, "text"):
                with contextlib.suppress(GemcliError):
                    part.pixels()
        counts["read"] += 1
    return counts
