"""A batch on a Ray cluster: one engine on each device, entries travel as bytes, records come back when done.

Where the cluster has accelerators there is an engine on each; otherwise one on each machine.  A machine that
goes away takes nothing with it: what it was about to answer is asked elsewhere.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gemcli.batch.run import Job, Record, one
from gemcli.errors import GemcliError, InputError, UsageError
from gemcli.failure import Failure, failure
from gemcli.hub.resolve import is_path
from gemcli.request import Request

LOCAL = "local"

_AHEAD = 2  # jobs on their way to an engine for each that it answers at once
_WAIT_S = 0.5
_KNOCK_S = 10.0
_TRIES = 3  # engines that may be lost over one job


@dataclass(frozen=True, slots=True)
class Cluster:
    """Workers on a Ray cluster.

    Attributes:
        request: what is asked of every entry.
        address: of the cluster; `LOCAL` starts one on this machine.
        jobs: answers at once on each engine.
    """

    request: Request
    address: str
    jobs: int

    def run(self, jobs: Iterable[Job], cancelled: threading.Event) -> Generator[Record]:
        """See `gemcli.batch.run.Workers`.

        Raises:
            UsageError: there is no such cluster, or Ray is not installed.
            GemcliError: no engine can be had, or all were lost.
        """
        ray = _connect(self.address)
        try:
            yield from self._answers(ray, jobs)
        finally:
            cancelled.set()
            ray.shutdown()

    def _answers(self, ray: Any, jobs: Iterable[Job]) -> Generator[Record]:
        engines = _engines(ray, self.request, self.jobs)
        load = dict.fromkeys(range(len(engines)), 0)
        under_way: dict[Any, tuple[int, Job, int]] = {}
        todo, again = iter(jobs), list[tuple[Job, int]]()

        def send() -> bool:
            """Give one more job to the engine that has least to do; False where there is none or no room."""
            place = min(load, key=lambda each: load[each])
            if load[place] >= self.jobs * _AHEAD:
                return False
            job, tries = again.pop() if again else (next(todo, None), 0)
            if job is None:
                return False
            shipped, local = _shipped(job)
            if local is not None:
                done.append(local)
                return True
            under_way[engines[place].answer.remote(shipped)] = (place, job, tries)
            load[place] += 1
            return True

        done: list[Record] = []
        while True:
            while send():
                pass
            yield from done
            done.clear()
            if not under_way:
                return
            ready, _ = ray.wait(list(under_way), num_returns=1, timeout=_WAIT_S)
            for reference in ready:
                place, job, tries = under_way.pop(reference)
                try:
                    found = ray.get(reference)
                except ray.exceptions.RayError as error:
                    load.pop(place, None)  # that engine is lost, and its other jobs come here too
                    if not load or tries + 1 >= _TRIES:
                        raise GemcliError(
                            f"the engines of the cluster {self.address} are lost: {_first_line(error)}",
                            "What was written stays; the same command goes on from there.",
                        ) from error
                    again.append((job, tries + 1))
                    continue
                if place in load:
                    load[place] -= 1
                if isinstance(found, Failure):
                    raise _Elsewhere(found)
                yield found


class _Elsewhere(GemcliError):
    """What ended an engine, with the exit code that it would have here."""

    def __init__(self, why: Failure) -> None:
        super().__init__(f"an engine of the cluster cannot answer: {why.message}", why.hint)
        self.exit_code = why.code


class Engine:
    """A model on one device of the cluster; made and called there.

    Args:
        request: what is asked of every entry.
        jobs: answers at once.
    """

    def __init__(self, request: Request, jobs: int) -> None:
        from gemcli.many import Many

        self._request = request
        self._never = threading.Event()
        self._many = Many(request, lambda event: None, slots=jobs, queue=_AHEAD * jobs)

    def answer(self, job: Job) -> Record | Failure | None:
        """The record of a job, or why no job can be answered here."""
        try:
            return one(self._request, job, self._many.ask, self._never)
        except Exception as error:
            return failure(error)


def _connect(address: str) -> Any:
    # Whoever asks locally is not counted elsewhere, and stderr is ours.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise UsageError("--ray needs Ray, which is not installed", "pip install 'gemcli[ray]'") from None
    where: dict[str, Any] = {} if address == LOCAL else {"address": address}
    try:
        _knock(address)
        ray.init(
            **where,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            namespace="gemcli",
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"there is no Ray cluster at {address}: {_first_line(error)}",
            "`ray start --head` starts one; --ray local uses this machine.",
        ) from error
    return ray


def _knock(address: str) -> None:
    """Raise where nobody listens at HOST:PORT: Ray itself would wait there for minutes.

    Raises:
        OSError: nobody does.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_S).close()


def _engines(ray: Any, request: Request, jobs: int) -> list[Any]:
    """One engine a device: on each accelerator, or else on each machine."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    accelerators = int(sum(node["Resources"].get("GPU", 0) for node in nodes))
    made = ray.remote(Engine)
    if accelerators:
        options = [{"num_gpus": 1}] * accelerators
    else:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as At

        options = [{"num_cpus": 0, "scheduling_strategy": At(node["NodeID"], soft=False)} for node in nodes]
    if not options:
        raise GemcliError("the cluster has no machine")
    there = replace(request, device="gpu" if accelerators else request.device)
    if request.model is not None and is_path(request.model):  # they work in folders of their own
        there = replace(there, model=str(Path(request.model).expanduser().absolute()))
    return [made.options(max_concurrency=jobs, **each).remote(there, jobs) for each in options]


def _shipped(job: Job) -> tuple[Job, Record | None]:
    """The job with its entry's bytes in it; or its record, where they cannot be read."""
    from gemcli.batch import records

    source, why = job.entry.source, job.entry.error
    if source is None:
        assert why is not None, "what is not there has a reason"
        return job, records.failed(job.entry, job.key, job.sha256, failure(why))
    if source.data is not None or source.path is None:
        return job, None
    try:
        data = source.read()
    except InputError as error:
        return job, records.failed(job.entry, job.key, job.sha256, failure(error))
    source = replace(source, path=None, data=data, digest=None)
    return replace(job, entry=replace(job.entry, source=source)), None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
