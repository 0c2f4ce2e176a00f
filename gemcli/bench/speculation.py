"""How much sooner answers come when what can be guessed of them is checked several tokens at a time.

The same questions are answered in turn without drafts, with those looked up in prompt and answer, and with
those of a draft model: quoting and summarizing a document, which say much of it again; code; and prose, which
says nothing again and must not become slower.  Answers are greedy and must be the same in all ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from gemcli.assistant import ALONE
from gemcli.events import Result

if TYPE_CHECKING:
    from gemcli.ingest.source import Source
    from gemcli.request import Request

DOCUMENT = 6000
"""Characters of the document that is quoted and summarized."""

TASKS: Mapping[str, tuple[str, bool]] = {
    "quote": ("Repeat the whole document, word by word, from its first line to its last.", True),
    "summary": ("Summarize this document, in the words of the document where you can.", True),
    "code": ("Write a Python class for a binary search tree: insert, delete, in-order traversal.", False),
    "prose": ("Write a story about a lighthouse keeper who finds a letter in a bottle.", False),
}
"""Questions, and whether each is about the document."""

WRITTEN = 160
"""Tokens of each answer, at least: a start costs the same with few and with many."""

WAYS = ("steps", "lookup", "draft")


def compare(
    base: Request,
    text: str,
    draft: str | None,
    runs: int,
    report: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Answer all questions in all ways.

    Args:
        base: whose model and settings are used.
        text: the document.
        draft: the name of a draft model; None: there is none.
        runs: of each question in each way, after one that compiles and does not count.
        report: told what was done.

    Returns:
        For each task and way ``decode_tokens_per_s`` (the median), ``ratio`` to steps, ``tokens`` of the
        answer, ``drafted_tokens``, ``accepted_tokens``, and whether the answers were the ``same``.
    """
    from gemcli.ingest.source import Source
    from gemcli.loading import Loaded

    document = Source(name="document.txt", path=None, data=text[:DOCUMENT].encode(), is_plain=True)
    ways = WAYS if draft else WAYS[:2]
    # With and without drafts the very same weights are used: where they lie in memory makes a few per cent.
    alone, rows = Loaded(), []
    loaded = {way: Loaded() if way == "draft" else alone for way in ways}
    for task, (question, about) in TASKS.items():
        sources = (document,) if about else ()
        asked = {way: _request(base, question, sources, way, draft) for way in ways}
        results: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
        for run in range(runs + 1):
            for way in ways if run % 2 else reversed(ways):  # nobody always comes after the others
                found = _answered(asked[way], loaded[way])
                report(f"{task}, {way}, {f'run {run}' if run else 'warm-up'}")
                if run:
                    results[way].append(found)
        rows += _rows(task, results)
    return rows


def _request(
    base: Request, question: str, sources: tuple[Source, ...], way: str, draft: str | None
) -> Request:
    return replace(
        base,
        question=question,
        sources=sources,
        stdin="never",
        host=ALONE,
        speculate=way != "steps",
        draft_model=draft if way == "draft" else None,
    )


def _answered(request: Request, loaded: Any) -> dict[str, Any]:
    """The contract's answer object."""
    from gemcli.assistant import answer

    result: dict[str, Any] = {}
    with closing(answer(replace(request, started=perf_counter()), loaded)) as events:
        for event in events:
            if isinstance(event, Result):
                result = event.data
    return result


def _rows(task: str, results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    speeds = {
        way: median(each["timings"]["decode_tokens_per_s"] or 0.0 for each in found)
        for way, found in results.items()
    }
    expected = results["steps"][0]["answer"]
    return [
        {
            "task": task,
            "way": way,
            "decode_tokens_per_s": round(speeds[way], 2),
            "ratio": round(speeds[way] / speeds["steps"], 3) if speeds["steps"] else None,
            "tokens": found[-1]["usage"]["completion_tokens"],
            "drafted_tokens": found[-1]["usage"]["drafted_tokens"],
            "accepted_tokens": found[-1]["usage"]["accepted_tokens"],
            "same": all(each["answer"] == expected for each in found),
        }
        for way, found in results.items()
    ]
