"""A request as a stream of events, whichever way it ends."""

from __future__ import annotations

import sys
import time

import pytest
import scripted

from gemcli.assistant import answer
from gemcli.errors import InputError
from gemcli.events import Error, Init, Progress, Result, Thought, Token, Warning
from gemcli.loading import Loaded
from gemcli.pack import speed
from gemcli.request import Request


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Begin to answer a question with a scripted model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.gguf").touch()
    (tmp_path / "a.md").write_text("alpha\n")
    monkeypatch.setitem(sys.modules, "model.sampling.sampler", scripted.sampling_module())

    def begin(*files, think=False, max_tokens=None, **script):
        monkeypatch.setitem(sys.modules, "model.load", scripted.module(scripted.Script(**script)))
        return answer(
            Request("What?", files, stdin="never", model="m.gguf", think=think, max_tokens=max_tokens)
        )

    return begin


def test_the_order_of_events(ask):
    events = list(ask("a.md", finish_reason="length"))
    kinds = [type(event) for event in events]
    assert kinds[0] is Init
    assert kinds[-1] is Result
    assert kinds.index(Progress) < kinds.index(Token) < kinds.index(Warning)
    assert "".join(event.text for event in events if isinstance(event, Token)) == "Hello world."
    result = events[-1].data
    assert (result["answer"], result["id"], result["model"]) == ("Hello world.", events[0].id, "m.gguf")
    assert result["warnings"] == [event.message for event in events if isinstance(event, Warning)]


def test_a_model_stays_for_the_next_request_of_the_same_file(ask, home, monkeypatch, tmp_path):
    ask()  # the scripted model is in place
    (tmp_path / "n.gguf").touch()
    module = sys.modules["model.load"]
    load, paths = module.load, []

    def slow(card, **options):
        paths.append(card.path.name)
        time.sleep(0.2)
        return load(card, **options)

    monkeypatch.setattr(module, "load", slow)
    loaded, results = Loaded(), []
    for name in ("m", "m", "n", "m"):
        request = Request("What? " * 20, stdin="never", model=f"{name}.gguf")
        *events, last = answer(request, loaded)
        results.append(last.data)
        stages = [event.stage for event in events if isinstance(event, Progress)]
        assert ("load" in stages) == (len(results) != 2)
    assert paths == ["m.gguf", "n.gguf", "m.gguf"]
    assert [each["answer"] for each in results] == ["Hello world."] * 4
    assert [each["timings"]["load_s"] >= 0.2 for each in results] == [True, False, True, True]
    known = speed.recall("m.gguf")
    assert known is not None
    assert known.start_s >= 0.2, "what a request of its own takes"


def test_what_many_share_answers_whatever_is_named_or_missing_by_now(ask, home, tmp_path):
    ask()  # the scripted model is in place
    loaded = Loaded()
    list(answer(Request("What?", stdin="never", model="m.gguf"), loaded))
    loaded.shared = True
    (tmp_path / "m.gguf").unlink()
    for named in ("m.gguf", "n.gguf", None):
        first, *_, last = answer(Request("What?", stdin="never", model=named), loaded)
        assert (first.model, last.data["model"], last.data["answer"]) == ("m.gguf", "m.gguf", "Hello world.")


def test_a_failure_is_told_then_raised(ask):
    stream = ask("missing.md")
    told = []
    with pytest.raises(InputError):
        collect(stream, told)
    assert [type(event) for event in told if not isinstance(event, Progress)] == [Init, Error, Result]
    assert told[-1].data["error"] == {"code": 3, "message": told[-2].message}


def test_an_interrupt_stops_the_work_and_keeps_the_result(ask):
    stream = ask(pieces=["a"] * 1000, delay=0.01)
    assert any(isinstance(event, Token) for event in stream_until(stream, Token))
    last = stream.throw(KeyboardInterrupt())
    assert isinstance(last, Result)
    assert last.data["finish_reason"] == "interrupt"
    assert last.data["answer"].startswith("a")
    with pytest.raises(KeyboardInterrupt):
        next(stream)


def test_thoughts_are_shown_where_they_are_wanted(ask):
    events = list(ask(thoughts=["hm, ", "so"], think=True))
    assert [event.text for event in events if isinstance(event, Thought)] == ["hm, ", "so"]
    result = events[-1].data
    assert (result["answer"], result["warnings"]) == ("Hello world.", [])
    assert result["usage"]["completion_tokens"] == 4
    assert bytes(id for id in scripted.CALLS[-1]["ids"] if id < 256).startswith(b"/think\n")


def test_thoughts_are_hidden_otherwise_but_for_their_number(ask):
    events = list(ask(thoughts=["hm, ", "so"]))
    assert not any(isinstance(event, Thought) for event in events)
    thinking = [event for event in events if isinstance(event, Progress) and event.stage == "think"]
    assert [(event.done, event.total, event.unit) for event in thinking] == [
        (1, None, "tokens"),
        (2, None, "tokens"),
    ]
    assert events[-1].data["answer"] == "Hello world."
    assert b"/think" not in bytes(id for id in scripted.CALLS[-1]["ids"] if id < 256)


def test_a_model_that_does_not_think_says_so(ask):
    result = list(ask(think=True))[-1].data
    assert result["warnings"] == ["m.gguf does not think: --think changes nothing"]


@pytest.mark.parametrize("most", [None, 2])
def test_a_thought_without_an_end_is_no_answer(ask, most):
    thoughts = ["hm"] * (most + 1 if most else 3000)
    result = list(ask(thoughts=thoughts, max_tokens=most))[-1].data
    assert (result["answer"], result["finish_reason"]) == ("", "length")
    (said,) = result["warnings"]
    assert said.startswith("there is no answer: the model was still thinking after ")
    assert said.endswith("; --max-tokens allows more")


def test_hidden_thoughts_can_be_interrupted(ask):
    stream = ask(thoughts=["hm"] * 1000, delay=0.01)
    for event in stream:
        if isinstance(event, Progress) and event.stage == "think":
            break
    last = stream.throw(KeyboardInterrupt())
    assert last.data["finish_reason"] == "interrupt"
    assert last.data["answer"] == ""
    with pytest.raises(KeyboardInterrupt):
        next(stream)


def test_closing_the_stream_closes_the_generation(ask):
    stream = ask(pieces=["a"] * 1000, delay=0.005)
    list(stream_until(stream, Token))
    stream.close()
    made = scripted.CALLS[-1]["generation"]
    deadline = time.monotonic() + 5
    while not made.closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert made.closed
    assert made.completion_tokens < 900


def collect(stream, into):
    """Every event of a stream that may raise at its end."""
    for event in stream:
        into.append(event)


def stream_until(stream, kind):
    """Events up to the first of a kind."""
    for event in stream:
        yield event
        if isinstance(event, kind):
            return
