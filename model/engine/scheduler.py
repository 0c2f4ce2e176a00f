"""One thread owns the device: it lets requests in, reads their prompts, and decodes all of them together.

In every round it reads a part of one long prompt, or some short ones, and decodes a few tokens of all
sequences that have been read: so answers go on while prompts come in, and soon all of them together.
Requests are let in in the order in which they came.  Where the pages are not enough, the youngest sequence
gives way and comes back when there is room.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np
from jax import Array

from model.cache import pool as pools
from model.cache.pool import NOWHERE
from model.engine import together
from model.engine.engine import Engine
from model.engine.holding import Holding
from model.engine.incoming import Incoming
from model.engine.reading import Reading
from model.engine.rows import batch_of
from model.engine.sequence import Request, Sequence
from model.engine.slots import Known
from model.errors import BusyError, ModelError
from model.sampling.likely import likely

_SECONDS = 0.1  # how long one call should take: what a person sees as streaming
_PART = 64  # tokens of a prompt that are read at once while others are being answered


class Scheduler:
    """Answers requests that other threads submit.

    Args:
        engine: whose weights compute them.
        slots: most sequences that are decoded together.
        queue: most requests that wait.
        pages: of the pool: to begin with, and at most.
    """

    def __init__(self, engine: Engine, slots: int, queue: int, pages: tuple[int, int]) -> None:
        self._engine = engine
        self._slots, self._queue = slots, queue
        self._page_counts = pages
        self._turn = threading.Condition()
        self._waiting: deque[Request] = deque()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._exact = pools.has_rows(engine.decoder.config)
        self._active: list[Sequence] = []
        self._incoming: Incoming | None = None
        self._begin()

    def _begin(self) -> None:
        """Nothing is held."""
        self._holding = Holding(self._engine, self._slots, self._page_counts)
        self._steps = 1

    # ---- what other threads call ----

    def submit(self, request: Request) -> None:
        """Ask; the answer comes to the request's outbox.

        Raises:
            BusyError: as many wait as may.
            ModelError: it was closed.
        """
        with self._turn:
            if self._closed:
                raise ModelError("the model was closed: it answers no more requests")
            if self._running() + len(self._waiting) >= self._slots + self._queue:
                raise BusyError(self._running(), len(self._waiting))
            self._waiting.append(request)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
                self._thread.start()
            self._turn.notify()

    def leave(self, request: Request) -> None:
        """Whoever asked does not listen any more."""
        request.gone = True
        with self._turn:
            if request in self._waiting:
                self._waiting.remove(request)
            self._turn.notify()

    def counts(self) -> tuple[int, int]:
        """Requests that are being answered, and those that wait."""
        with self._turn:
            return self._running(), len(self._waiting)

    def close(self) -> None:
        """End all answers with an error; returns when the thread has ended."""
        with self._turn:
            self._closed = True
            self._turn.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _running(self) -> int:
        return len(self._active) + (self._incoming is not None)

    # ---- the thread ----

    def _work(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._closed or self._waiting or self._running())
                if self._closed:
                    break
            try:
                self._round()
            except Exception as error:
                self._fail(error)
        self._fail(ModelError("the model was closed while it answered"))
        self._begin()

    def _fail(self, error: Exception) -> None:
        """What was under way is lost; whoever asks next begins anew."""
        with self._turn:
            lost = [each.request for each in self._active]
            lost += [self._incoming.request] if self._incoming else []
            lost += self._waiting if self._closed else []
            self._active, self._incoming = [], None
            if self._closed:
                self._waiting.clear()
        self._begin()
        for request in lost:
            request.outbox.put(error)

    def _round(self) -> None:
        for sequence in [each for each in self._active if each.request.gone]:
            self._end(sequence)
        if self._incoming is not None and self._incoming.request.gone:
            self._drop_incoming()
        self._let_in()
        if self._active:
            self._decode()

    # ---- prompts ----

    def _let_in(self) -> None:
        """Read a part of one prompt, or all that is left of some short ones, in their order."""
        room = _PART
        while True:
            if self._incoming is None and self._holding.rows:
                self._admit()
            incoming = self._incoming
            if incoming is None or incoming.reading is None:
                return
            left = len(incoming.request.prompt) - incoming.reading.done
            if room < _PART and left > room:
                return
            self._read(incoming)
            room -= left
            if self._incoming is incoming or room <= 0:
                return

    def _admit(self) -> None:
        """Begin to read the prompt that has waited longest."""
        with self._turn:
            if not self._waiting:
                return
            request = self._waiting.popleft()
            self._incoming = incoming = Incoming(request, self._exact)
        try:
            incoming.reading = self._reading(incoming)
            self._tell(request, incoming.reading.done)
        except Exception as error:
            self._refuse(incoming, error)

    def _reading(self, incoming: Incoming) -> Reading:
        """A prompt on its way, behind as much of it as is in the pool or was kept elsewhere."""
        request, engine = incoming.request, self._engine
        prompt = request.prompt
        prefixes = engine.prefixes if request.keep else None
        told = (incoming, prefixes) if prefixes is not None else (incoming,)
        found = self._holding.shelf.find(prompt)
        known, done = found or (None, 0)
        state = None
        if prefixes is not None and prefixes.find(prompt) > done:
            recalled = prefixes.recall(prompt, len(prompt))
            if recalled is not None:
                (state, done), known = recalled, None
        if state is None and known is not None:
            incoming.pages = self._holding.share(known, done)
            incoming.inherit(known, done)
            state = self._holding.taken(known, done, prompt)
        elif state is None:
            state = self._holding.empty(len(prompt))
        return Reading(engine, prompt, state, done, told, divisible=not self._exact)

    def _read(self, incoming: Incoming) -> None:
        """Take the next chunk; behind the last one the sequence gets its seat."""
        reading, request = incoming.reading, incoming.request
        assert reading is not None, "a prompt that is admitted is being read"
        try:
            if not reading.over:
                reading.advance(_PART if self._active else None)
                self._tell(request, reading.done)
            if reading.over and not incoming.begun:
                incoming.begin(reading)
            if incoming.begun:
                self._seat(incoming, reading)
        except Exception as error:
            self._refuse(incoming, error)

    def _tell(self, request: Request, done: int) -> None:
        if not request.again:
            request.outbox.put((done, len(request.prompt)))

    def _seat(self, incoming: Incoming, reading: Reading) -> None:
        """Move what was read into the pool; without room for it, it waits for others to end."""
        prompt = incoming.request.prompt
        known = Known(np.asarray(prompt.ids, np.int32), prompt.soft, [], incoming.names, incoming.snapshots)
        row = self._holding.enter(known, reading.state, reading.done, incoming.pages)
        if row is None and (incoming.over or not self._active):
            raise ModelError(
                "there is too little memory for this prompt: load the model with a smaller context"
            )
        if row is None:
            return
        sequence = Sequence(incoming.request, known, row, deque(incoming.said), list(incoming.said))
        with self._turn:
            self._incoming = None
            self._active.append(sequence)
        if incoming.over:  # nothing follows, but others may go on from the prompt
            self._end(sequence)

    def _refuse(self, incoming: Incoming, error: Exception) -> None:
        """One request cannot be answered; the others go on."""
        self._drop_incoming()
        incoming.request.outbox.put(None if incoming.over else error)  # where all is said nothing has failed

    def _drop_incoming(self) -> None:
        with self._turn:
            incoming, self._incoming = self._incoming, None
        if incoming is not None:
            self._holding.leave(incoming.pages)

    # ---- answers ----

    def _decode(self) -> None:
        """A few tokens of every sequence."""
        free = all(each.free and len(each.feed) == 1 for each in self._active)
        weighed = any(each.request.weighed for each in self._active)
        steps = self._steps if free and not weighed else 1
        for sequence in list(self._active):
            if sequence in self._active:
                self._make_room(sequence, steps)
        masks = self._masks()
        active = list(self._active)
        if not active:
            return
        began = time.perf_counter()
        out, counts, scores, self._holding.held = together.step(
            self._engine.decoder,
            self._engine.params,
            self._engine.ropes,
            self._holding.pool(),
            batch_of(active, masks, self._engine.decoder.config.vocab, self._slots),
            np.int32(steps),
            scored=weighed,
        )
        tokens, taken = np.asarray(out), np.asarray(counts)
        seconds = (time.perf_counter() - began) / max(int(taken.max()), 1)
        if free and not weighed:
            self._steps = int(min(max(_SECONDS / max(seconds, 1e-6), 1), together.MOST_STEPS, 2 * steps))
        for row, sequence in enumerate(active):
            self._took(sequence, tokens[: taken[row], row].tolist(), scores, row)

    def _masks(self) -> dict[Sequence, np.ndarray]:
        """What each may say next that is held to something; one whose rule fails ends alone."""
        masks: dict[Sequence, np.ndarray] = {}
        for sequence in list(self._active):
            constraint = sequence.request.constraint
            if constraint is not None and len(sequence.feed) == 1:
                try:
                    masks[sequence] = constraint.mask()
                except Exception as error:
                    self._end(sequence, error)
        return masks

    def _took(self, sequence: Sequence, chosen: list[int], scores: Array | None, row: int) -> None:
        """A call has chosen these tokens of a sequence, at least one; `scores` are f32 [B, V]."""
        request = sequence.request
        sequence.took([sequence.feed.popleft(), *chosen[:-1]])
        sequence.fresh = NOWHERE
        if not sequence.feed:  # else what comes next was settled before
            try:
                sequence.settle(chosen)
            except Exception as error:
                self._end(sequence, error)
                return
        elif not request.weighed:
            return
        if request.weighed:
            assert scores is not None, "they are asked for where somebody wants them"
            request.outbox.put(likely(scores, row, sequence.feed[0]))
            if len(sequence.feed) > 1:
                return
        if sequence.over:
            self._end(sequence)

    def _make_room(self, sequence: Sequence, steps: int) -> None:
        """See that there is a page for a sequence's next tokens; the youngest gives way if there is none."""
        tokens = sequence.at + min(steps, max(sequence.left, 1))
        while (pages := self._holding.extend(sequence.known, tokens)) is None:
            youngest = self._active[-1]
            self._give_way(youngest)
            if youngest is sequence:
                return
        sequence.fresh = pages[0] if pages else sequence.fresh

    def _give_way(self, sequence: Sequence) -> None:
        """A sequence goes back to the queue, to be read again with what it has said."""
        request, prompt = sequence.request, sequence.request.prompt
        owed = list(sequence.feed)[1:] if request.weighed else []
        told = sequence.said[: len(sequence.said) - len(owed)]
        request.limit, request.again, request.owed = sequence.left + len(owed), True, tuple(owed)
        request.prompt = self._engine.trail([*prompt.ids, *told], prompt.soft, prompt.marks, prompt.about)
        request.reluctant = None
        with self._turn:
            self._active.remove(sequence)
            self._waiting.appendleft(request)
        sequence.known.ids = sequence.known.ids[:0]  # nobody goes on from it: its pages are needed
        self._holding.end(sequence.known, sequence.row)

    def _end(self, sequence: Sequence, error: Exception | None = None) -> None:
        """A sequence is done with; what it holds stays to be gone on from, while there is room."""
        with self._turn:
            self._active.remove(sequence)
        self._holding.end(sequence.known, sequence.row)
        sequence.request.outbox.put(error)
