"""Answers prompts out of what is kept of earlier ones, keeps more, and is killed while it does.

Run as ``python answerer.py FOLDER write SEED``: it answers prompts at random until it is killed, and says on
stdout when it begins.  ``python answerer.py FOLDER check`` answers all of them once more, and prints as JSON
how many it answers as an engine does that keeps nothing, and how many tokens it took over: test_killed.py.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import tiny

from model.cache import disk
from model.cache.disk import DiskPrefixes
from model.cache.shelf import Shelf
from model.cache.state import State
from model.decoder.decoder import Decoder
from model.engine import plan
from model.engine.engine import Engine
from model.engine.room import empty_shape, empty_state
from model.nn.linear import Numerics
from model.sampling.sampler import Sampling

MOST = 100_000
"""Bytes that may be kept: less than all prompts leave, so that files are removed as well."""


def prompts() -> list[list[int]]:
    """Six documents, each asked about in several ways, some of them cut short."""
    found = []
    for number in range(6):
        document = tiny.random_ids(250 + 45 * number, number)
        found += [[*document[:end], *tiny.random_ids(9 + end % 5, end)] for end in (100, 200, len(document))]
        found.append([*document, *tiny.random_ids(70, 50 + number)])
    return found


def engine() -> Engine:
    """A tiny one with a ring and a full cache, whose prompts have many chunks."""
    plan.CHUNKS, plan.LARGEST, plan._APART, plan._SMALLEST_CACHE = (32, 64), 64, 16, 512  # type: ignore[assignment]
    disk._LEAST, disk._CHUNK, disk._FAR = 64, 64, 128
    config = tiny.gemma2(2)
    return Engine(
        Decoder(config, Numerics(integer_rows=0)), tiny.random_params(config), window=4096, cache_bits=16
    )


def keep(bare: Engine, root: Path) -> DiskPrefixes:
    """Let an engine keep what it computes in a folder."""

    def empty(tokens: int) -> State:
        return empty_state(bare.decoder, tokens, bare.cache_bits)

    shape = empty_shape(bare.decoder, 1, bare.cache_bits)
    bare.prefixes = kept = DiskPrefixes(Shelf(root, MOST, "tiny"), "way", empty, shape)
    return kept


def answer(by: Engine, ids: list[int], took: list[int]) -> list[int]:
    """What is said, and in `took` how much was there already."""
    mark = len(ids) - 9
    return list(by.generate(ids, sampling=Sampling(), limit=6, marks=[mark], restored=took.append))


def main() -> None:
    root, what = Path(sys.argv[1]), sys.argv[2]
    by = engine()
    if what == "write":
        keep(by, root)
        rng = random.Random(int(sys.argv[3]))
        print("begins", flush=True)
        while True:
            answer(by, rng.choice(prompts()), [])
    fresh = [answer(by, ids, []) for ids in prompts()]
    kept = keep(by, root)
    took: list[int] = []
    again = [answer(by, ids, took) for ids in prompts()]
    kept.flush(60)
    print(json.dumps({"same": sum(map(list.__eq__, fresh, again)), "of": len(fresh), "restored": sum(took)}))


if __name__ == "__main__":
    main()
