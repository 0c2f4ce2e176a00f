"""Writes what prompts leave behind, and is killed while it does, over and over: see test_killed.py.

    python writer.py ROOT KILLS

Without an engine: the arrays of a prompt's pieces are drawn from its steps' names, so that whoever finds a
piece can tell what it should hold.  And without the array library, so that a process to kill is a fork.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from model.cache import segment, shelf
from model.cache.trail import Trail, trail

FOLDER = "way"
TREE = 5  # prompts that begin alike in many ways


def prompt(rng: random.Random) -> Trail:
    """A prompt of some chunks; few beginnings, many ends."""
    ids: list[int] = []
    for _ in range(rng.randint(1, 5)):
        ids += [rng.randrange(TREE)] * 1024
    return trail([*ids, 7])


def arrays(name: str) -> list[np.ndarray]:
    """What stands under a name."""
    rng = np.random.default_rng(int(name[:12], 16))
    return [rng.integers(0, 1 << 16, (2, 1, 512, 8)).astype(np.uint16) for _ in range(2)]


def write(root: Path, made: Trail) -> None:
    """Everything that a prompt leaves behind, as `model.cache.disk` does it."""
    folder, before = root / FOLDER, ""
    for step in made.steps[:-1]:
        about = {"name": step.name, "end": step.end, "about": ["a.txt"], "model": "tiny", "more": 0}
        for path in (
            shelf.piece_path(folder, step.end, step.name, before),
            shelf.state_path(folder, step.end, step.name),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                segment.write(path, about, arrays(step.name))
        before = step.name


def write_on(root: Path, seed: int) -> None:
    """Write, and make room now and then, until somebody kills us."""
    rng = random.Random(seed)
    while True:
        write(root, prompt(rng))
        if rng.random() < 0.3:
            shelf.make_room(root, rng.randint(0, 1 << 20))


def look(root: Path) -> tuple[int, int]:
    """Read every file that looks finished; how many there are, and how many drafts.

    Raises:
        DamagedError: one is not what it should be.
    """
    whole = drafts = 0
    for path in (root / FOLDER).glob("*"):
        if path.name.endswith(segment.DRAFT):
            drafts += 1
            continue
        name = path.name.split("-")[1].split(".")[0]
        for ours, theirs in zip(segment.read(path, name), arrays(name), strict=True):
            if not np.array_equal(ours, theirs):
                raise segment.DamagedError(path.name)
        whole += 1
    return whole, drafts


def main() -> None:
    """Start and kill; prints how often, and the files and drafts that were found behind the kills."""
    root, kills, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(5)
    found = torn = killed = 0
    for kill in range(kills):
        child = os.fork()
        if child == 0:
            try:
                write_on(root, kill)
            finally:
                os._exit(1)
        time.sleep(rng.uniform(0.002, 0.06))
        os.kill(child, signal.SIGKILL)
        killed += os.waitpid(child, 0)[1] == signal.SIGKILL
        whole, drafts = look(root)
        found, torn = found + whole, max(torn, drafts)
    lost = shelf.orphans(shelf.files(root / FOLDER))
    print(killed, found, torn, len(lost))


if __name__ == "__main__":
    main()
