"""Every entry becomes exactly one record, however many answer at once and whatever goes wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gemcli.batch.entries import Entry, of_files, of_lines
from gemcli.batch.run import Ask, Tally, Threads, run
from gemcli.client.errors import BrokeOffError, ServerBusyError, ServerError
from gemcli.errors import InputError, ModelUnavailableError, UsageError
from gemcli.events import Event, Progress, Result
from gemcli.ingest.source import Source
from gemcli.request import Request
from gemcli.worker import Cancelled


def entries(count: int, alike: int = 1) -> list[Entry]:
    return [
        Entry(f"{number}.txt", Source(f"{number}.txt", None, data=b"%d" % (number // alike)))
        for number in range(count)
    ]


class Model:
    """Says what it was given; `fail` maps a name to the exception that answering it raises."""

    def __init__(self, fail: dict[str, Exception] | None = None) -> None:
        self.fail = fail or {}
        self.asked: list[str] = []
        self.most = self.now = 0
        self.lock = threading.Lock()

    def __call__(self, request: Request, cancelled: threading.Event) -> Generator[Event]:
        (source,) = request.sources
        with self.lock:
            self.asked.append(source.name)
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            time.sleep(0.002)
            if cancelled.is_set():
                raise Cancelled
            if source.name in self.fail:
                raise self.fail[source.name]
            yield Result(result(f"{request.question} {source.read().decode()}"))
        finally:
            with self.lock:
                self.now -= 1


def result(answer: str) -> dict[str, Any]:
    return {
        "answer": answer,
        "data": None,
        "usage": {"prompt_tokens": 1},
        "finish_reason": "stop",
        "read": {"overflow": "none"},
        "warnings": [],
        "model": "m",
        "plan": {"documents": [{"sha256": "f" * 64}]},
    }


REQUEST = Request("What?")


def answered(found: list[Entry], model: Ask, known: dict[str, Any] | None = None) -> tuple[Tally, list[Any]]:
    written: list[Any] = []
    tally = run(
        found,
        REQUEST,
        "m",
        Threads(REQUEST, model, 8),
        known={} if known is None else known,
        write=written.append,
        show=lambda event: None,
    )
    return tally, written


def test_every_entry_has_its_own_answer() -> None:
    model = Model()
    tally, written = answered(entries(100), model)
    assert (tally.done, tally.failed, tally.skipped) == (100, 0, 0)
    assert {each["source"]: each["answer"] for each in written} == {
        f"{number}.txt": f"What? {number}" for number in range(100)
    }
    assert 1 < model.most <= 8


def test_what_is_alike_is_asked_once_and_written_for_each() -> None:
    model = Model()
    tally, written = answered(entries(90, alike=3), model)
    assert tally.done == 90
    assert len(model.asked) == 30
    assert sorted(each["source"] for each in written) == sorted(f"{number}.txt" for number in range(90))
    assert all(each["answer"] == f"What? {int(each['source'][:-4]) // 3}" for each in written)


def test_what_fails_alike_is_named_by_its_own_name() -> None:
    model = Model({"0.txt": InputError("0.txt is damaged: 0.txt has no end")})
    tally, written = answered(entries(4, alike=2), model)
    assert (tally.done, tally.failed, sorted(model.asked)) == (2, 2, ["0.txt", "2.txt"])
    said = {each["source"]: each["error"] and each["error"]["message"] for each in written}
    assert said == {
        "0.txt": "0.txt is damaged: 0.txt has no end",
        "1.txt": "1.txt is damaged: 0.txt has no end",
        "2.txt": None,
        "3.txt": None,
    }


def test_what_is_done_is_not_asked_again() -> None:
    known: dict[str, Any] = {}
    _, first = answered(entries(10), Model(), known)
    model = Model()
    tally, written = answered(entries(12), model, known)
    assert (tally.skipped, tally.done) == (10, 2)
    assert sorted(model.asked) == ["10.txt", "11.txt"]
    moved = [Entry("elsewhere.txt", Source("elsewhere.txt", None, data=b"3"))]
    model = Model()
    tally, written = answered(moved, model, known)
    assert model.asked == []
    assert written == [
        {**next(each for each in first if each["source"] == "3.txt"), "source": "elsewhere.txt"}
    ]


def test_what_fails_fails_alone() -> None:
    fail: dict[str, Exception] = {
        "1.txt": InputError("1.txt: damaged"),
        "2.txt": UsageError("2.txt has 1 page: page range 9 is not in it"),
        "3.txt": ValueError("a defect"),
    }
    found = [*entries(5), Entry("gone.txt", error=InputError("gone.txt: no such file"))]
    tally, written = answered(found, Model(fail))
    assert (tally.done, tally.failed) == (2, 4)
    said = {each["source"]: each["error"] for each in written}
    assert said["0.txt"] is None
    assert said["1.txt"] == {"code": 3, "message": "1.txt: damaged"}
    assert said["2.txt"]["code"] == 2
    assert said["gone.txt"]["code"] == 3
    assert all((each["status"] == "error") == (each["error"] is not None) for each in written)


@pytest.mark.parametrize(
    "error",
    [
        ModelUnavailableError("no such model"),
        UsageError("--image-tokens 3 is no choice"),
        ServerError("no server answers"),
    ],
)
def test_what_concerns_all_ends_the_batch(error: Exception) -> None:
    model = Model({"5.txt": error})
    with pytest.raises(type(error)):
        answered(entries(2000), model)
    assert len(model.asked) < 1000


def test_a_busy_server_is_waited_for_and_one_that_broke_off_is_asked_again() -> None:
    """Neither says anything of the entry; only who breaks off over it twice does."""
    model = Model()
    trouble: dict[str, list[Exception]] = {
        "0.txt": [ServerBusyError("2 requests wait", 0.01)] * 5,
        "1.txt": [BrokeOffError("the connection broke off")],
        "2.txt": [BrokeOffError("the connection broke off")] * 2,
    }

    def ask(request: Request, cancelled: threading.Event) -> Generator[Event]:
        left = trouble.get(request.sources[0].name)
        if left:
            raise left.pop()
        yield from model(request, cancelled)

    tally, written = answered(entries(4), ask)
    assert (tally.done, tally.failed) == (3, 1)
    assert {each["source"]: each["status"] for each in written} == {
        "0.txt": "ok",
        "1.txt": "ok",
        "2.txt": "error",
        "3.txt": "ok",
    }


def test_an_interrupt_keeps_what_is_written() -> None:
    written: list[Any] = []

    def show(event: Event) -> None:
        if isinstance(event, Progress) and event.done == 20:
            raise KeyboardInterrupt

    model = Model()
    with pytest.raises(KeyboardInterrupt):
        run(entries(500), REQUEST, "m", Threads(REQUEST, model, 4), known={}, write=written.append, show=show)
    assert len(written) == 20
    before = len(model.asked)
    time.sleep(0.1)
    assert len(model.asked) <= before + 4


def test_files_are_entries_once(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "out.jsonl"):
        (tmp_path / name).write_text(name)
    said: list[Event] = []
    names = [
        str(tmp_path),
        str(tmp_path / "a.txt"),
        str(tmp_path / "a.txt#line=1"),
        str(tmp_path / "none.txt"),
    ]
    found = of_files(names, on_event=said.append, stdin_is_free=False, besides=tmp_path / "out.jsonl")
    there = [Path(each.name).name for each in found if each.error is None]
    assert there == ["a.txt", "b.txt", "a.txt#line=1"]
    assert [each.name for each in found if each.error] == [names[3]]
    assert "where the answers go" in said[0].message  # type: ignore[union-attr]


def test_lines_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_bytes(b"\xef\xbb\xbffirst\r\n\n  \n<b>third</b>\n%PDF-1.4\nlast")
    found = list(of_lines([str(path)], on_event=lambda event: None, stdin_is_free=False))
    assert [each.name.rpartition(" ")[2] for each in found] == ["L1", "L4", "L5", "L6"]
    sources = [each.source for each in found]
    assert [source.data for source in sources if source] == [b"first", b"<b>third</b>", b"%PDF-1.4", b"last"]
    assert all(source and source.is_plain for source in sources)
