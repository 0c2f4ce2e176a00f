"""How many questions about real files are answered rightly: a file of questions, put one after the other.

A line is one question: ``{"files": […], "question": "…", "expect": [regex, …]}``, right when every
expression is found in the answer whatever its case; or ``"absent": true`` in the place of ``expect``, right
when the answer says that it is not in the documents, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemcli.bench.absent import admits_absence
from gemcli.errors import DoesNotFitError, InputError
from gemcli.events import Event, Result, Warning
from gemcli.request import Request

Ask = Callable[[Request], Generator[Event]]


@dataclass(frozen=True, slots=True)
class Question:
    """One question of known answer.

    Attributes:
        files: what it is about, as `Request.files` takes them.
        text: what is asked.
        expect: expressions that the answer must match, every one; none where it is absent.
        absent: the files do not say it.
    """

    files: tuple[str, ...]
    text: str
    expect: tuple[str, ...] = ()
    absent: bool = False

    def missed(self, answer: str) -> list[str]:
        """The expressions that an answer does not match."""
        return [each for each in self.expect if not re.search(each, answer, re.IGNORECASE)]

    def is_right(self, answer: str) -> bool:
        """Whether an answer is right."""
        return admits_absence(answer) if self.absent else not self.missed(answer)


def read_questions(path: Path, folder: Path | None = None) -> list[Question]:
    """The questions of a file of JSON lines.

    Args:
        path: the file.
        folder: where the files are that the questions name; None for the folder of `path`.

    Raises:
        InputError: it cannot be read, or a line is no question; the message names the line.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    base = path.parent if folder is None else folder
    found = [
        _question(line, f"{path}, line {number}", base)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not found:
        raise InputError(f"{path} holds no questions", _SHAPE)
    return found


_SHAPE = 'A line is {"files": ["a.pdf"], "question": "…", "expect": ["regex"]} or has "absent": true.'


def _question(line: str, where: str, base: Path) -> Question:
    try:
        given = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is no JSON: {error}", _SHAPE) from None
    if not isinstance(given, dict):
        raise InputError(f"{where} is no JSON object", _SHAPE)
    if odd := sorted(set(given) - {"files", "question", "expect", "absent"}):
        raise InputError(f"{where} has {odd[0]!r}, which is not known", _SHAPE)
    files, text = given.get("files"), given.get("question")
    expect, absent = given.get("expect", []), given.get("absent", False)
    if not _is_texts(files) or not files:
        raise InputError(f"{where}: files is no list of names", _SHAPE)
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where}: there is no question", _SHAPE)
    if not _is_texts(expect) or not isinstance(absent, bool) or bool(expect) == absent:
        raise InputError(f'{where} must have "expect", a list of expressions, or "absent": true', _SHAPE)
    for each in expect:
        try:
            re.compile(each)
        except re.error as error:
            raise InputError(f"{where}: {each!r} is no regular expression: {error}") from None
    return Question(tuple(_placed(name, base) for name in files), text, tuple(expect), absent)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each for each in value)


def _placed(name: str, base: Path) -> str:
    if re.match(r"https?://", name, re.IGNORECASE):
        return name
    return str(base / name)


def run(
    questions: Sequence[Question],
    ask: Ask,
    request: Callable[[Question], Request],
    show: Callable[[Event], None],
) -> Iterator[dict[str, Any]]:
    """Ask every question; a row for each, as it is answered.

    A question whose files cannot be read or do not fit is wrong, and its row says why; any other failure
    ends the run.

    Args:
        questions: what is asked.
        ask: `gemcli.assistant.answer`, or something like it.
        request: makes the request for a question.
        show: gets the warnings, each once.
    """
    told: set[str] = set()
    for question in questions:
        result: dict[str, Any] = {}
        try:
            with closing(ask(request(question))) as events:
                for event in events:
                    if isinstance(event, Result):
                        result = event.data
                    elif isinstance(event, Warning) and event.message not in told:
                        told.add(event.message)
                        show(event)
        except (InputError, DoesNotFitError):
            if not result.get("error"):
                raise
        yield row(question, result)


def row(question: Question, result: dict[str, Any]) -> dict[str, Any]:
    """What became of one question.

    Args:
        question: what was asked.
        result: the contract's answer object.
    """
    answer = str(result.get("answer") or "")
    error = result.get("error")
    timings, usage = result.get("timings") or {}, result.get("usage") or {}
    return {
        "question": question.text,
        "files": list(question.files),
        "absent": question.absent,
        "right": not error and question.is_right(answer),
        "answer": answer,
        "missed": question.missed(answer),
        "finish_reason": result.get("finish_reason"),
        "read": result.get("read") or {},
        "prompt_tokens": usage.get("prompt_tokens", 0),
        "cached_tokens": usage.get("cached_tokens", 0),
        "first_token_s": timings.get("first_token_s"),
        "total_s": timings.get("total_s"),
        "error": error,
    }


def report(rows: Sequence[dict[str, Any]], *, model: str, seconds: float) -> dict[str, Any]:
    """The contract's object: how many were right, of how many."""
    asked = [each for each in rows if not each["absent"]]
    absent = [each for each in rows if each["absent"]]
    return {
        "model": model,
        "correct": sum(each["right"] for each in asked),
        "questions": len(asked),
        "absent_correct": sum(each["right"] for each in absent),
        "absent_questions": len(absent),
        "rows": list(rows),
        "seconds": round(seconds, 2),
    }
