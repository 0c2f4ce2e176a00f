"""Counters and histograms of a server, in Prometheus's text format.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class Histogram:
    """How often values fell below each of some bounds."""

    def __init__(self, bounds: Sequence[float] = _SECONDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str) -> Iterator[str]:
        """Its samples."""
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._sum:.6f}"
        yield f"{name}_count {total}"


class Metrics:
    """What a server has done so far."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._tokens: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._waited = Histogram()
        self._first = Histogram()
        self._took = Histogram()

    def request(self, path: str, status: int) -> None:
        """A request was answered.

        Args:
            path: one of the server's own paths, or ``other``.
            status: of HTTP.
        """
        self._requests[path, status] += 1

    def waited(self, seconds: float) -> None:
        """A request waited for its turn."""
        self._waited.observe(seconds)

    def ended(self, how: str) -> None:
        """An answer ended: ``stop``, ``length``, ``cancelled``, ``error``."""
        self._ended[how] += 1

    def answered(self, result: Mapping[str, Any]) -> None:
        """An answer was finished: the contract's object."""
        known, timings = result["usage"], result["timings"]
        self._tokens["prompt"] += known["prompt_tokens"] - known["cached_tokens"]
        self._tokens["cached"] += known["cached_tokens"]
        self._tokens["completion"] += known["completion_tokens"]
        if timings.get("first_token_s") is not None:
            self._first.observe(timings["first_token_s"])
        self._took.observe(timings["total_s"])
        self.ended(str(result["finish_reason"]))

    def text(self, running: int, waiting: int) -> str:
        """Everything, with how many answers are being given and how many requests wait."""
        lines: list[str] = []

        def metric(name: str, kind: str, what: str, samples: Iterator[str] | list[str]) -> None:
            lines.extend((f"# HELP {name} {what}", f"# TYPE {name} {kind}", *samples))

        metric(
            "gemcli_requests_total",
            "counter",
            "HTTP requests by path and status.",
            [
                f'gemcli_requests_total{{path="{path}",status="{status}"}} {count}'
                for (path, status), count in sorted(self._requests.items())
            ],
        )
        for name, kind, key, counter, what in (
            (
                "gemcli_tokens_total",
                "counter",
                "kind",
                self._tokens,
                "Tokens computed, and taken from caches.",
            ),
            ("gemcli_answers_total", "counter", "finish", self._ended, "Answers by how they ended."),
        ):
            found = [f'{name}{{{key}="{label}"}} {count}' for label, count in sorted(counter.items())]
            metric(name, kind, what, found)
        for name, value, what in (
            ("gemcli_answers_running", running, "Answers being given."),
            ("gemcli_requests_waiting", waiting, "Requests waiting for their turn."),
        ):
            metric(name, "gauge", what, [f"{name} {value}"])
        for name, histogram, what in (
            ("gemcli_wait_seconds", self._waited, "Seconds until a request had its turn."),
            ("gemcli_first_token_seconds", self._first, "Seconds until the first token."),
            ("gemcli_answer_seconds", self._took, "Seconds of whole answers."),
        ):
            metric(name, "histogram", what, histogram.lines(name))
        return "\n".join(lines) + "\n"
