"""Programs get one object, or one line for each event, whatever happens."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from gemcli.errors import DoesNotFitError
from gemcli.events import Error, Init, Progress, Result, Thought, Token, Warning
from gemcli.ui.json_out import JsonLinesView, JsonView, dumps, error_object
from gemcli.ui.streams import Out
from model.errors import ContextOverflowError

CONTRACT = {
    "schema_version": int,
    "id": str,
    "answer": str,
    "data": None,
    "model": str,
    "finish_reason": None,
    "citations": list,
    "usage": {"prompt_tokens", "cached_tokens", "completion_tokens", "drafted_tokens", "accepted_tokens"},
    "timings": {
        "import_s",
        "load_s",
        "ingest_s",
        "prefill_s",
        "first_token_s",
        "decode_tokens_per_s",
        "total_s",
    },
    "read": {"overflow", "tokens_read", "tokens_given"},
    "plan": dict,
    "warnings": list,
    "error": {"code", "message"},
}


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_one_object(capsys):
    view = JsonView(Out())
    for event in [
        Init("c1", "m"),
        Progress("load", 1, 1, "layers"),
        Thought("hm"),
        Token("An"),
        Token("swer"),
    ]:
        view.show(event)
    view.show(Result({"answer": "Answer", "error": None}))
    view.show(Result({"answer": "twice"}))
    view.close(None)
    assert lines(capsys) == [{"answer": "Answer", "error": None}]


def test_a_failure_prints_every_key_of_the_contract(capsys):
    view = JsonView(Out())
    view.show(Init("c1", "some-model"))
    view.show(Token("half an "))
    view.show(Warning("careful"))
    view.close(DoesNotFitError("too long", "cut it"))
    (found,) = lines(capsys)
    assert set(found) == set(CONTRACT)
    for key in ("usage", "timings", "read", "error"):
        assert set(found[key]) == CONTRACT[key]
    for key in ("schema_version", "id", "answer", "model", "citations", "plan", "warnings"):
        assert isinstance(found[key], CONTRACT[key])
    assert found["error"] == {"code": 4, "message": "too long"}
    assert (found["id"], found["model"], found["answer"]) == ("c1", "some-model", "half an ")
    assert found["warnings"] == ["careful"]


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (DoesNotFitError("too long"), 4, "too long"),
        (ContextOverflowError(10, 5), 4, "10 tokens are needed, but only 5 fit"),
        (ValueError("odd"), 1, "ValueError: odd"),
        (typer.Exit(3), 3, "ended with exit code 3"),
        (SystemExit(5), 5, "ended with exit code 5"),
        (SystemExit("text"), 1, "ended with exit code 1"),
    ],
)
def test_every_kind_of_failure(capsys, failure, code, message):
    view = JsonView(Out())
    view.close(failure)
    (found,) = lines(capsys)
    assert found["error"] == {"code": code, "message": message}
    assert (found["finish_reason"] == "interrupt") == (code == 130)


@pytest.mark.parametrize("ending", [None, typer.Exit(0), SystemExit(), SystemExit(0)])
def test_no_object_where_nothing_was_asked_and_nothing_failed(capsys, ending):
    for kind in (JsonView, JsonLinesView):
        view = kind(Out())
        view.close(ending)
    assert capsys.readouterr().out == ""


def test_an_error_event_reaches_the_result(capsys):
    view = JsonView(Out())
    view.show(Error(4, "too long"))
    view.show(Result({"answer": "", "error": None}))
    view.close(None)
    assert lines(capsys) == [{"answer": "", "error": {"code": 4, "message": "too long"}}]


def test_an_error_event_without_a_result(capsys):
    view = JsonView(Out())
    view.show(Error(6, "no memory"))
    view.close(typer.Exit(6))
    (found,) = lines(capsys)
    assert found["error"] == {"code": 6, "message": "no memory"}


def test_lines_of_events(capsys):
    view = JsonLinesView(Out())
    view.show(Init("c1", "m"))
    view.show(Thought("hm"))
    view.show(Token("A"))
    view.show(Warning("careful"))
    view.show(Result({"answer": "A"}))
    view.close(None)
    assert lines(capsys) == [
        {"type": "init", "id": "c1", "model": "m"},
        {"type": "thought", "text": "hm"},
        {"type": "token", "text": "A"},
        {"type": "warning", "message": "careful"},
        {"type": "result", "answer": "A"},
    ]


def test_a_failure_is_an_error_line_and_a_result_line(capsys):
    view = JsonLinesView(Out())
    view.show(Token("half"))
    view.close(DoesNotFitError("too long"))
    token, error, result = lines(capsys)
    assert token["type"] == "token"
    assert (error["type"], error["code"], error["message"]) == ("error", 4, "too long")
    assert result["type"] == "result"
    assert result["answer"] == "half"
    assert set(result) == {"type", *CONTRACT}


def test_a_told_error_is_not_told_twice(capsys):
    view = JsonLinesView(Out())
    view.show(Error(4, "too long", "cut it"))
    view.close(typer.Exit(4))
    assert [line["type"] for line in lines(capsys)] == ["error", "result"]


def test_progress_is_thinned_but_the_last_of_each_stage_is_there(capsys):
    now = [0.0]
    view = JsonLinesView(Out(), lambda: now[0])
    for step in range(200):
        now[0] += 0.01
        view.show(Progress("ingest", step, 1000, "files"))
    for step in range(50):
        view.show(Progress("prefill", step, 49, "tokens"))
    view.show(Progress("load", 0, None, "layers"))
    view.show(Progress("load", 1, None, "layers"))
    view.show(Token("x"))
    found = lines(capsys)
    ingest = [line["done"] for line in found if line.get("stage") == "ingest"]
    assert ingest[0] == 0
    assert ingest[-1] == 199
    assert len(ingest) <= 10
    assert [line["done"] for line in found if line.get("stage") == "prefill"] == [0, 49]
    assert [line["done"] for line in found if line.get("stage") == "load"] == [0, 1]
    assert found[-1]["type"] == "token"


@given(st.lists(st.text(alphabet="a\x1b[31m;\x07]0\n", max_size=4)))
def test_tokens_of_a_stream_are_clean_and_whole(pieces):
    class Collect(Out):
        text = ""

        def write(self, text, errors="replace"):
            self.text += text

    out = Collect()
    view = JsonLinesView(out)
    for piece in pieces:
        view.show(Token(piece))
    view.show(Result({"answer": "".join(pieces)}))
    found = [json.loads(line) for line in out.text.splitlines()]
    assert "".join(line["text"] for line in found if line["type"] == "token") == found[-1]["answer"]
    assert "\x1b" not in found[-1]["answer"]


def test_values_json_does_not_have():
    text = dumps(
        {
            "nan": math.nan,
            "inf": [math.inf],
            "path": Path("a/b"),
            "np": np.float32(1.5),
            "array": np.arange(2),
            1: "é\x1b[1m",
        }
    )
    assert json.loads(text) == {
        "nan": None,
        "inf": [None],
        "path": "a/b",
        "np": 1.5,
        "array": [0, 1],
        "1": "é",
    }
    assert "é" in text
    assert "\n" not in text


def test_bidirectional_controls_are_escaped_on_a_terminal():
    value = {"a": "x\u202ey"}
    assert dumps(value) == '{"a": "x\u202ey"}'
    assert dumps(value, terminal=True) == '{"a": "x\\u202ey"}'
    assert json.loads(dumps(value, terminal=True)) == value


def test_lone_surrogates_become_escapes(capfd):
    view = JsonView(Out())
    view.show(Result({"answer": "bad \udc80 name"}))
    assert json.loads(capfd.readouterr().out) == {"answer": "bad \udc80 name"}


def test_error_object_takes_what_is_known():
    found = error_object(3, "no such file", model="m")
    assert (found["model"], found["error"]) == ("m", {"code": 3, "message": "no such file"})
