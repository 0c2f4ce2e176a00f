"""One engine in a process of its own: loads a model, then runs it for every line that it is sent.

Run as ``python -m gemcli.bench.contender ENGINE MODEL CONTEXT DEVICE ATTENTION``.  It writes a line of JSON
when it is ready (see `Ready`), then one (see `Timing`) for each line ``{"ids": […], "tokens": n}``, until
stdin ends.
"""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from gemcli.bench.engines import ENGINES
from gemcli.bench.replies import open_replies

if TYPE_CHECKING:
    from model.reach import Mode


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine is loaded; `load_s` counts its imports too."""

    load_s: float


@dataclass(frozen=True, slots=True)
class Timing:
    """One run.

    Attributes:
        first_token_s: from the prompt's ids to the first token's id.
        decode_s: from there to the last token's id.
        idle_s: how long the process had waited for this run.
        idle_cpu_s: seconds of processor that it took meanwhile; more than none means that it spun.
        peak_bytes: most memory that it has held so far; None where the system does not tell.
    """

    first_token_s: float
    decode_s: float
    idle_s: float
    idle_cpu_s: float
    peak_bytes: int | None


def peak_bytes() -> int | None:
    """Most memory that this process has held at once, of its own and mapped; None where it cannot be told."""
    with suppress(OSError):
        # Not `ru_maxrss`, which on Linux begins with the size of the process that started this one.
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(engine: str, path: str, context: str, device: str, attention: str) -> None:
    """Load and serve until stdin ends."""
    replies = open_replies()
    began = time.perf_counter()
    loaded = ENGINES[engine](Path(path), int(context), device, cast("Mode", attention))
    _reply(replies, Ready(time.perf_counter() - began))
    rested, rested_cpu = time.perf_counter(), time.process_time()
    for line in sys.stdin:
        wanted = json.loads(line)
        idle, idle_cpu = time.perf_counter() - rested, time.process_time() - rested_cpu
        lap = loaded.run(wanted["ids"], wanted["tokens"])
        _reply(replies, Timing(*lap, idle, idle_cpu, peak_bytes()))
        rested, rested_cpu = time.perf_counter(), time.process_time()


def _reply(replies: TextIO, value: Ready | Timing) -> None:
    print(json.dumps(asdict(value)), file=replies, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
