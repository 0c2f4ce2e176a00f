"""The pages of a PDF, read by several processes at once; one that crashes or hangs costs the page it was at.

A page is damaged when a fresh process dies of it.  The time beyond a second that pages take is drawn from one
allowance for the whole file, so that not even a file made of such pages takes for ever.
"""

from __future__ import annotations

import os
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gemcli.ingest.pdf_process import Died, Late, PdfProcess
from gemcli.ingest.source import Source

#: Seconds that opening a file may take: one without a table of its objects is searched for them.
OPEN_S = 60.0

#: Seconds that one page may take, and what all pages together may take beyond `QUICK_S` each.
PAGE_S = 30.0
ALLOWANCE_S = 120.0
QUICK_S = 2.0

#: Processes that are started again before the rest of a file is given up.
RESTARTS = 40

_CHUNK = 16  # pages that a process is given at once
_ALONE = 64  # pages up to which a second process takes longer to start than it saves
_PROCESSES = 4
_LARGE_DATA = 64 << 20  # bytes, given through a pipe, of which one process holds a copy


class UnopenedError(Exception):
    """The PDF does not open; `reason` is ``password``, ``security`` or ``damaged``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class _Worker:
    """A process and what it has to do: the first page of `todo` is the one it is at."""

    process: PdfProcess
    todo: deque[int] = field(default_factory=deque)
    fresh: bool = True
    is_open: bool = False
    deadline: float = 0.0
    since: float = 0.0


class PdfPages:
    """A PDF opened for reading; to be used as a context.

    Attributes:
        pages: how many there are.
        title: its title; may be empty.
        is_xfa: whether it is a form whose fields cannot be read.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._answers: queue.SimpleQueue[tuple[PdfProcess, dict[str, Any] | None]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._restarts = 0
        self._allowance = ALLOWANCE_S
        self.pages = 0
        self.title = ""
        self.is_xfa = False

    def start(self) -> None:
        """Begin to open the file, without waiting for it."""
        self._workers.append(self._started())

    def open(self) -> None:
        """Wait until it is open.

        Raises:
            UnopenedError: it cannot be opened.
        """
        (worker,) = self._workers
        try:
            opened = worker.process.answer(OPEN_S)
        except (Died, Late):
            raise UnopenedError("damaged") from None
        if "refused" in opened:
            raise UnopenedError(opened["refused"])
        worker.is_open = True
        self.pages, self.title, self.is_xfa = opened["pages"], opened["title"], opened["xfa"]

    def __enter__(self) -> PdfPages:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.close()
        self._workers.clear()

    def outline(self) -> list[tuple[int, int, str]]:
        """The table of contents as (level from 0, page from 1, title); none where it cannot be read.

        To be called when no page is being read.
        """
        worker = self._workers[0]
        worker.process.ask({"outline": True})
        try:
            answer = worker.process.answer(PAGE_S)
        except (Died, Late):
            self._renew(worker)
            return []
        return [(level, page, title) for level, page, title in answer["outline"]]

    def read(
        self, numbers: Sequence[int], report: Callable[[int, int], None], what: str = "pages"
    ) -> dict[int, dict[str, Any]]:
        """What the worker's request `what` finds on each page, else ``damaged`` or ``late`` as True.

        Args:
            numbers: from 1, in rising order.
            report: told how many are done, of how many.
        """
        waiting = deque(numbers[at : at + _CHUNK] for at in range(0, len(numbers), _CHUNK))
        while len(self._workers) < self._useful(len(numbers)):
            self._workers.append(self._started())
        found: dict[int, dict[str, Any]] = {}
        while len(found) < len(numbers):
            report(len(found), len(numbers))
            for worker in self._workers:
                if not worker.todo:
                    self._give(worker, waiting, what)
            nearest = min(worker.deadline for worker in self._workers if worker.todo)
            try:
                process, answer = self._answers.get(timeout=max(0.0, nearest - time.monotonic()))
            except queue.Empty:
                for worker in self._workers:
                    if worker.todo and worker.deadline <= time.monotonic():
                        self._lost(worker, found, waiting, what, "late")
                continue
            worker = next((each for each in self._workers if each.process is process), None)
            if worker is None:
                continue  # what a process said before it was ended
            if answer is None:
                self._lost(worker, found, waiting, what, "damaged")
            elif "page" in answer:
                self._spent(worker)
                worker.todo.popleft()
                found[answer["page"]] = answer
                worker.fresh = False
                self._expect(worker)
            elif "refused" in answer:  # it opened before: the file was changed meanwhile
                self._lost(worker, found, waiting, what, "damaged")
            else:
                worker.is_open = True
                self._expect(worker)
        report(len(numbers), len(numbers))
        return found

    def _useful(self, pages: int) -> int:
        large = self._source.data is not None and len(self._source.data) > _LARGE_DATA
        if pages <= _ALONE or large:
            return 1
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cores, _PROCESSES)

    def _started(self) -> _Worker:
        worker = _Worker(PdfProcess(self._source, self._answers))
        worker.deadline = time.monotonic() + OPEN_S
        return worker

    def _renew(self, worker: _Worker) -> None:
        """Put a fresh process in the place of one that is of no use."""
        worker.process.close()
        worker.process = PdfProcess(self._source, self._answers)
        worker.fresh, worker.is_open = True, False
        self._restarts += 1
        worker.deadline = time.monotonic() + OPEN_S

    def _give(self, worker: _Worker, waiting: deque[Sequence[int]], what: str) -> None:
        if waiting and waiting[0]:
            worker.todo.extend(waiting.popleft())
            worker.process.ask({what: list(worker.todo)})
            self._expect(worker)

    def _expect(self, worker: _Worker) -> None:
        """Set the time until which the next page is waited for."""
        worker.since = time.monotonic()
        worker.deadline = worker.since + (
            min(PAGE_S, QUICK_S + self._allowance) if worker.is_open else OPEN_S
        )

    def _spent(self, worker: _Worker) -> None:
        if worker.is_open:
            self._allowance = max(0.0, self._allowance - max(0.0, time.monotonic() - worker.since - QUICK_S))

    def _lost(
        self,
        worker: _Worker,
        found: dict[int, dict[str, Any]],
        waiting: deque[Sequence[int]],
        what: str,
        how: str,
    ) -> None:
        """A process ended or hangs: blame the page it was at, or try that one again in a fresh one."""
        self._spent(worker)
        if not worker.is_open and len(self._workers) > 1:  # no page's fault: the others do its work
            worker.process.close()
            self._workers.remove(worker)
            waiting.appendleft(list(worker.todo))
            return
        if worker.todo and (worker.fresh or how == "late"):
            number = worker.todo.popleft()
            found[number] = {"page": number, how: True}
        if self._restarts >= RESTARTS:
            for number in (*worker.todo, *(number for chunk in waiting for number in chunk)):
                found[number] = {"page": number, how: True}
            worker.todo.clear()
            waiting.clear()
            return
        self._renew(worker)
        if worker.todo:
            worker.process.ask({what: list(worker.todo)})
