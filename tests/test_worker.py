"""Work in a thread: its events in order, its failures here, and an end when nobody listens."""

from __future__ import annotations

import threading
import time

import pytest

from gemcli import worker
from gemcli.events import Token


def tokens(*texts):
    return [Token(text) for text in texts]


def test_events_come_in_order_from_another_thread():
    threads = []

    def work(emit):
        threads.append(threading.current_thread())
        for each in tokens("a", "b", "c"):
            emit(each)

    assert list(worker.stream(work)) == tokens("a", "b", "c")
    assert threads[0] is not threading.current_thread()


def test_a_failure_comes_after_what_was_said_before_it():
    def work(emit):
        emit(Token("a"))
        raise ValueError("broken")

    stream = worker.stream(work)
    assert next(stream) == Token("a")
    with pytest.raises(ValueError, match="broken"):
        next(stream)


@pytest.mark.parametrize("how", ["close", "throw", "drop"])
def test_work_that_nobody_listens_to_stops(how):
    ended = threading.Event()

    def work(emit):
        try:
            while True:
                emit(Token("a"))
                time.sleep(0.001)
        finally:
            ended.set()

    stream = worker.stream(work)
    assert next(stream) == Token("a")
    if how == "close":
        stream.close()
    elif how == "throw":
        with pytest.raises(KeyboardInterrupt):
            stream.throw(KeyboardInterrupt())
    else:
        del stream
    assert ended.wait(2)


def test_work_that_does_not_notice_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(worker, "PATIENCE_S", 0.05)
    release = threading.Event()

    def work(emit):
        emit(Token("a"))
        release.wait(10)

    stream = worker.stream(work)
    next(stream)
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 1
    release.set()


def test_slow_work_is_waited_for(monkeypatch):
    monkeypatch.setattr(worker, "TICK_S", 0.01)

    def work(emit):
        time.sleep(0.1)
        emit(Token("late"))

    assert list(worker.stream(work)) == tokens("late")
