"""Entries become records: many at a time, each written when it is done.

Whatever answers them - this process, another machine's server, a cluster - is a `Workers`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from queue import Empty, Queue
from time import perf_counter
from typing import Any, Protocol

from gemcli.batch import records
from gemcli.batch.entries import Entry
from gemcli.client.errors import BrokeOffError, ServerBusyError, ServerError
from gemcli.errors import GemcliError
from gemcli.events import Event, Progress, Result
from gemcli.failure import failure
from gemcli.request import Request

_FATAL = {2, 5, 6}
"""Exit codes of what no other entry would fare better with: the usage, the model, the memory."""

_TICK_S = 0.25


@dataclass(frozen=True, slots=True)
class Job:
    """An entry that is to be answered, and the key of its record."""

    entry: Entry
    key: str
    sha256: str | None


Record = dict[str, Any]


class Workers(Protocol):
    """Those who answer."""

    def run(self, jobs: Iterable[Job], cancelled: threading.Event) -> Generator[Record]:
        """Records, in the order in which they are done; once `cancelled` is set, no more.

        Raises:
            GemcliError: what would be the end of every other job too.
        """
        ...


Ask = Callable[[Request, threading.Event], Generator[Event]]


@dataclass(frozen=True, slots=True)
class Threads:
    """Workers that are threads of this process.

    Attributes:
        request: what is asked of every entry.
        ask: answers one request; called from many threads.
        count: how many.
    """

    request: Request
    ask: Ask
    count: int

    def run(self, jobs: Iterable[Job], cancelled: threading.Event) -> Generator[Record]:
        """See `Workers`."""
        todo, lock = iter(jobs), threading.Lock()
        done: Queue[Record | BaseException | None] = Queue()

        def work() -> None:
            try:
                while not cancelled.is_set():
                    with lock:
                        job = next(todo, None)
                    if job is None:
                        break
                    record = one(self.request, job, self.ask, cancelled)
                    if record is not None:
                        done.put(record)
            except BaseException as error:
                done.put(error)
            done.put(None)

        threads = [threading.Thread(target=work, name="gemcli-batch", daemon=True) for _ in range(self.count)]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                try:
                    item = done.get(timeout=_TICK_S)  # so that an interrupt is heard
                except Empty:
                    continue
                if isinstance(item, BaseException):
                    raise item
                if item is None:
                    running -= 1
                else:
                    yield item
        finally:
            cancelled.set()


def one(request: Request, job: Job, ask: Ask, cancelled: threading.Event) -> Record | None:
    """The record of one entry; None when it was cancelled.  A server that has too much to do is waited for.

    Raises:
        GemcliError, ModelError: what would be the end of every other entry too.
    """
    entry = job.entry
    if entry.source is None:
        assert entry.error is not None, "what is not there has a reason"
        return records.failed(entry, job.key, job.sha256, failure(entry.error))
    source = replace(entry.source, wants=request.wants)
    asked = replace(request, files=(), sources=(source,), stdin="never", started=perf_counter())
    broke_off = False
    while True:
        result: dict[str, Any] | None = None
        try:
            with closing(ask(asked, cancelled)) as events:
                for event in events:
                    if isinstance(event, Result):
                        result = event.data
        except BaseException as error:
            if cancelled.is_set() or not isinstance(error, Exception):
                return None
            if isinstance(error, ServerBusyError):
                cancelled.wait(error.retry_s)
                continue
            if isinstance(error, BrokeOffError) and not broke_off:
                broke_off = True  # a server that is gone says so the next time
                continue
            why = failure(error)
            if isinstance(error, ServerError) or (why.code in _FATAL and not _is_about(entry, error)):
                raise
            return records.failed(entry, job.key, job.sha256, why, result)
        assert result is not None, "an answer ends with its result"
        return records.answered(entry, job.key, job.sha256, result)


def _is_about(entry: Entry, error: Exception) -> bool:
    """Whether an error of usage is about this entry, as a page that it does not have is."""
    name = entry.name.partition("#")[0]
    return isinstance(error, GemcliError) and error.exit_code == 2 and name in error.message


@dataclass(slots=True)
class Tally:
    """What became of the entries of a batch."""

    done: int = 0
    failed: int = 0
    skipped: int = 0


def run(
    entries: Sequence[Entry],
    request: Request,
    model: str,
    workers: Workers,
    *,
    known: dict[str, dict[str, Any]],
    write: Callable[[Record], None],
    show: Callable[[Event], None],
) -> Tally:
    """Answer all entries that are not done yet, and write their records.

    An entry whose key is known under another name has its record copied: the answer would be the same.

    Args:
        entries: what is asked about.
        request: what is asked of each.
        model: the name of the model that answers.
        workers: who does.
        known: records that are there already, by key and source.
        write: takes each record.
        show: gets `Progress`.

    Raises:
        GemcliError, ModelError, KeyboardInterrupt: the batch ended early; what was written stays.
    """
    tally = Tally()
    cancelled = threading.Event()
    ready: Queue[Record] = Queue()
    lock = threading.Lock()
    begun: dict[str, list[Job]] = {}

    def jobs() -> Iterator[Job]:
        for entry in entries:
            job = _job(request, entry, model)
            with lock:
                there = known.get(job.key, {})
                if entry.name in there:
                    tally.skipped += 1
                    continue
                if there:
                    ready.put(records.copied(next(iter(there.values())), entry.name))
                    continue
                alike = begun.setdefault(job.key, [])
                alike.append(job)
                if len(alike) > 1:
                    continue
            yield job

    def put(record: Record) -> None:
        write(record)
        known.setdefault(record["key"], {})[record["source"]] = record
        if record["status"] == "ok":
            tally.done += 1
        else:
            tally.failed += 1
        report(record["source"])

    def report(name: str = "") -> None:
        show(Progress("batch", tally.done + tally.failed + tally.skipped, len(entries), "records", name))

    def drain() -> None:
        while not ready.empty():
            put(ready.get())

    report()
    with closing(workers.run(jobs(), cancelled)) as made:
        for record in made:
            drain()
            put(record)
            with lock:
                alike = begun.pop(record["key"], [])
            for each in alike[1:]:
                put(records.copied(record, each.entry.name))
    drain()
    report()
    return tally


def _job(request: Request, entry: Entry, model: str) -> Job:
    try:
        sha256 = records.digest(entry)
    except GemcliError as error:
        entry = replace(entry, source=None, error=error)
        sha256 = None
    return Job(entry, records.key(request, entry, sha256, model), sha256)
