"""Prefixes kept in files: the second question about a document costs the question alone, in another run too.

What a chunk adds to the full caches is written as a piece of its own, as soon as it is computed, by a thread;
rings and recurrences are written at marks and now and then.  So nothing is written twice, an interrupted
prompt is kept as far as it came, and a prompt that leaves another in its middle goes on from the last chunk
that both have in common.  Whatever is missing, damaged or in the way costs time and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import jax
import numpy as np

from model.cache import pieces, segment, shelf
from model.cache.shelf import Shelf
from model.cache.state import State
from model.cache.trail import Step, Trail
from model.cache.writer import Writer
from model.engine import plan

_READERS = 2
_READ_AHEAD = 4  # files in memory that have not reached their places
_LEAST = 512  # tokens of a chunk that is worth keeping where no mark asks for it
_CHUNK = 1024  # tokens: snapshots are so many apart, or a multiple
_FAR = 16 * 1024  # tokens from one snapshot to the next at most
_NAMES, _NAME = 20, 200  # of what a prompt is about, how many and how long are told


class DiskPrefixes:
    """The kept prefixes of one model, computed in one way.

    Args:
        shelf: where.
        namespace: a name for all that the numbers depend on beside the prompt.
        empty: gives an empty state with room for so many tokens.
        shape: of such a state, whatever its room.
    """

    def __init__(self, shelf: Shelf, namespace: str, empty: Callable[[int], State], shape: State) -> None:
        self._shelf = shelf
        self._folder = shelf.root / namespace
        self._empty = empty
        self._shape = shape
        self._grows, self._turns = pieces.grows(shape), pieces.turns(shape)
        self._apart = _apart(pieces.piece_bytes(shape), pieces.snapshot_bytes(shape))
        self._damaged = 0  # files that were found so
        self._lost: set[Path] = set()  # damaged, and in the way: they cannot be removed
        self._writer = Writer(shelf, self._folder)
        self._early: tuple[str, int, Future[tuple[State, int] | None]] | None = None

    def find(self, trail: Trail) -> int:
        """Tokens of a prompt's beginning that `recall` would give, as far as names tell."""
        if self._early is not None and self._early[0] == trail.name:
            early = self._early[2].result()
            return early[1] if early else 0
        self._early = None  # another prompt came: what was read for it is not needed
        at = self._last(trail) if self._writer.on else None
        return 0 if at is None else trail.steps[at].end

    def recall(self, trail: Trail, room: int) -> tuple[State, int] | None:
        """See `model.cache.prefix.Prefixes`."""
        early, self._early = self._early, None
        if early is not None and early[0] == trail.name and plan.slots(early[1]) == plan.slots(room):
            return early[2].result()
        return self._recall(trail, room) if self._writer.on else None

    def ahead(self, trail: Trail, room: int) -> None:
        """Begin to recall what will be asked for: reading takes time that others may need for themselves."""
        done: Future[tuple[State, int] | None] = Future()

        def work() -> None:
            try:
                done.set_result(self._recall(trail, room) if self._writer.on else None)
            except Exception as error:  # memory, a device: it is computed instead
                self._writer.tell(f"what was kept of this prompt cannot be used: {error}")
                done.set_result(None)

        self._early = (trail.name, room, done)
        threading.Thread(target=work, name="gemcli-recall", daemon=True).start()

    def keep(self, trail: Trail, index: int, state: State) -> None:
        """See `model.cache.prefix.Prefixes`."""
        if not self._writer.on or not self._is_wanted(trail, index):
            return
        step, piece = trail.steps[index], None
        if self._grows:
            before = self._piece(trail, index - 1) if index else None
            if before is not None and not self._stands(before):
                return  # nobody could come to it
            piece = self._piece(trail, index)
            if not self._is_there(piece):
                cut = pieces.cut(state, step.first, step.size)
                if not self._write(piece, trail, step, cut, step.taken, before):
                    return
        if self._turns and (step.end in trail.marks or step.end // self._apart > step.first // self._apart):
            path = shelf.state_path(self._folder, step.end, step.name)
            if not self._is_there(path):
                self._write(path, trail, step, pieces.snapshot(state), None, piece)

    def flush(self, seconds: float) -> None:
        """Wait until what was told is written, but no longer than this."""
        self._writer.flush(seconds)

    def warnings(self) -> list[str]:
        """What is amiss and has not been told yet, in sentences."""
        return self._writer.warnings()

    def _is_wanted(self, trail: Trail, index: int) -> bool:
        step = trail.steps[index]
        return step.end <= trail.mark or step.taken >= _LEAST

    def _is_there(self, path: Path) -> bool:
        """Whether a file is kept; it counts as used then."""
        if not self._stands(path):
            return False
        shelf.touch([path])
        return True

    def _stands(self, path: Path) -> bool:
        """Whether a file is kept, or is going to be: others may have removed it since it was written."""
        return path in self._writer.waiting or self._can_be_read(path)

    def _can_be_read(self, path: Path) -> bool:
        return path not in self._lost and path.is_file()

    def _chain(self, trail: Trail) -> Iterator[Path]:
        """Every file that there may be of a prompt."""
        for index, step in enumerate(trail.steps):
            yield self._piece(trail, index)
            yield shelf.state_path(self._folder, step.end, step.name)

    def _piece(self, trail: Trail, index: int) -> Path:
        step, before = trail.steps[index], trail.steps[index - 1].name if index else ""
        return shelf.piece_path(self._folder, step.end, step.name, before)

    def _last(self, trail: Trail) -> int | None:
        """The index of the last step behind which the state is kept."""
        found = None
        for index, step in enumerate(trail.steps):
            if step.end >= len(trail) or (self._grows and not self._can_be_read(self._piece(trail, index))):
                break
            if not self._turns or self._can_be_read(shelf.state_path(self._folder, step.end, step.name)):
                found = index
        return found

    def _recall(self, trail: Trail, room: int) -> tuple[State, int] | None:
        at = self._last(trail)
        if at is None:
            return None
        state = self._empty(room)
        ready = 0  # pieces in their places
        used: list[Path] = []
        snapshot: Sequence[np.ndarray] = ()
        damaged = self._damaged
        with ThreadPoolExecutor(_READERS) as readers:
            while at is not None:
                if self._turns:
                    step = trail.steps[at]
                    path = shelf.state_path(self._folder, step.end, step.name)
                    found = self._read(path, step.name, pieces.shapes(self._shape, 0)[1])
                    if found is None:
                        damaged = self._look_through(trail, ready, damaged)
                        at = self._last(trail)
                        continue
                    snapshot = found
                    used.append(path)
                if self._grows:
                    state, ready, good = self._place(trail, state, ready, at + 1, readers, used)
                    if not good:
                        damaged = self._look_through(trail, ready, damaged)
                        at = self._last(trail)
                        continue
                break
        if at is None:
            return None
        state = pieces.finish(state, trail.steps[at].end, list(snapshot))
        shelf.touch(used)
        return state, trail.steps[at].end

    def _look_through(self, trail: Trail, ready: int, damaged: int) -> int:
        """Where a file was damaged, remove what else is, behind the first `ready` pieces.

        After a power failure it is not one alone, and what is there is not written again.

        Returns:
            How many were damaged until now; `damaged` were before.
        """
        if self._damaged == damaged:
            return damaged  # it was only gone
        for index, step in enumerate(trail.steps):
            piece, whole = pieces.shapes(self._shape, step.taken)
            if self._grows and index >= ready:
                self._read(self._piece(trail, index), step.name, piece)
            if self._turns:
                self._read(shelf.state_path(self._folder, step.end, step.name), step.name, whole)
        return self._damaged

    def _place(
        self,
        trail: Trail,
        state: State,
        ready: int,
        count: int,
        readers: ThreadPoolExecutor,
        used: list[Path],
    ) -> tuple[State, int, bool]:
        """Put pieces into their places, from the one with the index `ready` up to `count` of them.

        Returns:
            The state, how many are there, and whether all are.
        """
        places = pieces.places(state)
        waiting: list[tuple[int, Future[Sequence[np.ndarray] | None]]] = []
        following = ready
        while ready < count:
            while following < count and len(waiting) < _READ_AHEAD:
                step = trail.steps[following]
                wanted = pieces.shapes(self._shape, step.taken)[0]
                path = self._piece(trail, following)
                if places is None:
                    reading = readers.submit(self._padded, path, step, wanted)
                else:
                    reading = readers.submit(self._read, path, step.name, wanted, pieces.at(places, step))
                waiting.append((following, reading))
                following += 1
            index, reading = waiting.pop(0)
            arrays = reading.result()
            if arrays is None:
                for number, each in waiting:
                    if not each.cancel() and each.result() is not None and places is not None:
                        for part in pieces.at(places, trail.steps[number]):
                            part[...] = 0
                return state, ready, False
            if places is None:
                state = pieces.put(state, arrays, trail.steps[index].first)
                state.length.block_until_ready()
            used.append(self._piece(trail, index))
            ready = index + 1
        return state, ready, True

    def _padded(
        self, path: Path, step: Step, wanted: Sequence[tuple[tuple[int, ...], str]]
    ) -> Sequence[np.ndarray] | None:
        """A piece as large as the chunk that made it."""
        arrays = self._read(path, step.name, wanted)
        if arrays is None or step.taken == step.size:
            return arrays
        padded: list[np.ndarray] = []
        for each in arrays:
            whole = np.zeros((*each.shape[:2], step.size, *each.shape[3:]), each.dtype)
            whole[:, :, : step.taken] = each
            padded.append(whole)
        return padded

    def _read(
        self,
        path: Path,
        name: str,
        wanted: Sequence[tuple[tuple[int, ...], str]],
        into: Sequence[np.ndarray] | None = None,
    ) -> Sequence[np.ndarray] | None:
        """The arrays of a file; None, and nothing comes to it again, where it is not what it should be.

        Args:
            path: the file.
            name: what it says that it is.
            wanted: shape and type of each array.
            into: where they are to be, of these shapes; zeros stand there where None is returned.
        """
        try:
            return segment.read(path, name, wanted, into)
        except FileNotFoundError:
            return None
        except (segment.DamagedError, OSError) as error:
            self._damaged += 1
            if not shelf.remove(path):
                self._lost.add(path)
            self._writer.tell(f"{path} is left out: {error}; it is computed again")
            return None

    def _write(
        self,
        path: Path,
        trail: Trail,
        step: Step,
        arrays: Sequence[jax.Array],
        taken: int | None,
        after: Path | None,
    ) -> bool:
        about = {
            "name": step.name,
            "end": step.end,
            "model": self._shelf.model,
            "about": [each[:_NAME] for each in trail.about[:_NAMES]],
            "more": max(len(trail.about) - _NAMES, 0),
        }
        self._lost.discard(path)  # what is written takes its place
        return self._writer.write(path, about, arrays, taken, after, partial(self._chain, trail))


def _apart(piece: int, snapshot: int) -> int:
    """Tokens from one snapshot to the next: they take half as much as what full caches hold, or less."""
    if not piece:
        return 4 * _CHUNK
    return min(max(-(-2 * snapshot // (piece * _CHUNK)), 1) * _CHUNK, _FAR)
