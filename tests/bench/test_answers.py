"""Questions of known answer: their file, what counts as right, and the report."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gemcli.bench.answers import Question, read_questions, report, run
from gemcli.errors import DoesNotFitError, InputError, ModelUnavailableError
from gemcli.events import Event, Init, Result, Token, Warning
from gemcli.request import Request

DATA = Path(__file__).parents[1] / "data"


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines))
    return path


def test_the_file_of_questions(tmp_path: Path) -> None:
    path = write(
        tmp_path / "q.jsonl",
        {"files": ["a.pdf", "https://example.org/b"], "question": "How many?", "expect": [r"\b12\b", "eggs"]},
        "",
        {"files": ["/c.txt"], "question": "Why?", "absent": True},
    )
    assert read_questions(path) == [
        Question((str(tmp_path / "a.pdf"), "https://example.org/b"), "How many?", (r"\b12\b", "eggs")),
        Question(("/c.txt",), "Why?", (), True),
    ]
    assert read_questions(path, Path("there"))[0].files[0] == str(Path("there") / "a.pdf")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 2 is no JSON"),
        ("[1]", "line 2 is no JSON object"),
        ({"files": ["a"], "question": "?", "expect": ["x"], "answer": 1}, "'answer', which is not known"),
        ({"files": [], "question": "?", "expect": ["x"]}, "no list of names"),
        ({"files": "a", "question": "?", "expect": ["x"]}, "no list of names"),
        ({"files": ["a"], "question": " ", "expect": ["x"]}, "there is no question"),
        ({"files": ["a"], "question": "?"}, 'must have "expect"'),
        ({"files": ["a"], "question": "?", "expect": ["x"], "absent": True}, 'must have "expect"'),
        ({"files": ["a"], "question": "?", "expect": ["(x"]}, "no regular expression"),
    ],
)
def test_a_line_that_is_no_question(tmp_path: Path, line: object, said: str) -> None:
    good = {"files": ["a"], "question": "?", "expect": ["x"]}
    with pytest.raises(InputError) as caught:
        read_questions(write(tmp_path / "q.jsonl", good, line))
    assert said in caught.value.message


def test_a_file_that_holds_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no questions"):
        read_questions(write(tmp_path / "q.jsonl", ""))
    with pytest.raises(InputError, match="cannot read"):
        read_questions(tmp_path / "none.jsonl")
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_questions(tmp_path / "b.jsonl")


def test_every_expression_must_match_whatever_its_case() -> None:
    question = Question(("a",), "?", (r"\b12\b", "EGGS"))
    assert question.is_right("There are 12 eggs.")
    assert not question.is_right("There are 12.")
    assert question.missed("There are 120 eggs.") == [r"\b12\b"]
    absent = Question(("a",), "?", absent=True)
    assert absent.is_right("That is not in the documents.")
    assert not absent.is_right("12")


def result(answer: str, error: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "answer": answer,
        "error": error,
        "finish_reason": "stop",
        "read": {"overflow": "select", "tokens_read": 900, "tokens_given": 9000},
        "usage": {"prompt_tokens": 1000, "cached_tokens": 0},
        "timings": {"first_token_s": 2.5, "total_s": 3.0},
    }


QUESTIONS = [
    Question(("a",), "How many?", ("12",)),
    Question(("a",), "Which?", ("eggs",)),
    Question(("a",), "Who?", (), True),
]


def request(question: Question) -> Request:
    return Request(question.text, question.files)


def test_a_run_gives_a_row_for_each() -> None:
    said = {"How many?": "12", "Which?": "hens", "Who?": "It is not mentioned."}
    shown: list[Event] = []

    def ask(request: Request) -> Generator[Event]:
        yield Init("1", "m")
        yield Warning("page 3 was not read")
        yield Token(said[request.question])
        yield Result(result(said[request.question]))

    rows = list(run(QUESTIONS, ask, request, shown.append))
    assert [each["right"] for each in rows] == [True, False, True]
    assert rows[1]["missed"] == ["eggs"]
    assert rows[0]["read"]["tokens_read"] == 900
    assert (rows[0]["first_token_s"], rows[0]["prompt_tokens"]) == (2.5, 1000)
    assert shown == [Warning("page 3 was not read")], "each warning once"
    found = report(rows, model="m", seconds=9.123)
    assert {name: found[name] for name in found if name != "rows"} == {
        "model": "m",
        "correct": 1,
        "questions": 2,
        "absent_correct": 1,
        "absent_questions": 1,
        "seconds": 9.12,
    }


@pytest.mark.parametrize("error", [InputError("a is damaged"), DoesNotFitError("too long")])
def test_a_question_that_cannot_be_asked_is_wrong(error: InputError | DoesNotFitError) -> None:
    def ask(request: Request) -> Generator[Event]:
        yield Result(result("12", {"code": error.exit_code, "message": error.message}))
        raise error

    rows = list(run(QUESTIONS, ask, request, lambda event: None))
    assert [each["right"] for each in rows] == [False, False, False]
    assert rows[0]["error"]["message"] == error.message


def test_another_failure_ends_the_run() -> None:
    def ask(request: Request) -> Generator[Event]:
        yield Result(result(""))
        raise ModelUnavailableError("there is none")

    with pytest.raises(ModelUnavailableError):
        list(run(QUESTIONS, ask, request, lambda event: None))


def test_the_questions_about_a_manual() -> None:
    asked = read_questions(DATA / "answers-r.jsonl")
    assert len([each for each in asked if each.expect]) == 20
    assert len([each for each in asked if each.absent]) == 5
    assert {Path(each.files[0]).name for each in asked} == {"fullrefman.pdf"}
