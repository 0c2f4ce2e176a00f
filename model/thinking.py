"""A model's thoughts and its answer, told apart while they are being generated.

Some models think aloud before they answer, between marks of their own.  Gemma 4's marks are control tokens,
which may come at any time: ``<|channel>thought\\n…\\n<channel|>answer``.  Others (Qwen 3, DeepSeek R1) write
``<think>…</think>`` at the very beginning, as tokens or spelled out; later in an answer the same characters
are text.  A prompt may end with a begun thought.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from model.tokenizer.base import Tokenizer
from model.tokenizer.detokenizer import Detokenizer
from model.tokenizer.template import ChatTemplate

Channel = Literal["thought", "answer"]
Piece = tuple[Channel, str]

_TAIL = 16  # tokens of a prompt that are looked at for a begun thought


@dataclass(frozen=True, slots=True)
class Marks:
    """Where the thoughts of a model begin and end.

    Attributes:
        begin, end: the marks.
        title: stands after `begin` and belongs to it.
        spelled: the marks may be spelled out in characters, and thoughts come at the beginning only;
            otherwise the marks are tokens of their own, and nothing else is one.
    """

    begin: str
    end: str
    title: str = ""
    spelled: bool = False


_CHANNEL = Marks("<|channel>", "<channel|>", title="thought\n")
_TAGS = Marks("<think>", "</think>", spelled=True)


def marks_of(tokenizer: Tokenizer, template: ChatTemplate) -> Marks | None:
    """How a model marks its thoughts; None for one that has no way to."""
    if tokenizer.id_of(_CHANNEL.begin) is not None and tokenizer.id_of(_CHANNEL.end) is not None:
        return _CHANNEL
    if tokenizer.id_of(_TAGS.end) is not None or (template.source and _TAGS.end in template.source):
        return _TAGS
    return None


class Splitter:
    """Tokens in, pieces of thought and answer out, each of whole characters and none of them empty.

    The texts of both channels do not depend on how the work is cut into calls.  Line breaks at either end of
    a thought, and those between it and the answer, belong to the marks.

    Args:
        tokenizer: of the model.
        marks: of the model; None: everything is the answer.
        prompt: what is being continued.
    """

    def __init__(self, tokenizer: Tokenizer, marks: Marks | None, prompt: Sequence[int] = ()) -> None:
        self._detokenizer = Detokenizer(tokenizer)
        self._marks = marks
        self._held = ""
        self._where: Literal["start", "title", "lead", "thought", "after", "answer"] = "start"
        self._signs: dict[int, str] = {}
        if marks is None:
            self._where = "answer"
            return
        for mark in (marks.begin, marks.end):
            id = tokenizer.id_of(mark)
            # A sign with bytes of its own is text to a model that may spell it.
            if id is not None and not (marks.spelled and tokenizer.token_bytes(id)):
                self._signs[id] = mark
        if not marks.spelled:
            self._where = "answer"
        self._resume(tokenizer, marks, prompt)

    @property
    def thinking(self) -> bool:
        """Whether a thought has begun and not ended."""
        return self._where in ("title", "lead", "thought")

    @property
    def answering(self) -> bool:
        """Whether what comes next is of the answer, as far as can be told."""
        return self._where in ("start", "answer")

    def push(self, id: int) -> list[Piece]:
        """The pieces that this token completes."""
        mark = self._signs.get(id)
        if mark is None:
            return self._take(self._detokenizer.push(id))
        pieces = self._take(self._detokenizer.flush())
        assert self._marks is not None
        if self._marks.spelled:
            return pieces if self._where == "answer" else pieces + self._take(mark)
        if mark == self._marks.begin and not self.thinking:
            self._where = "title"
        elif mark == self._marks.end and self.thinking:
            self._where, self._held = "after", ""  # an unfinished title, or line breaks
        return pieces

    def flush(self) -> list[Piece]:
        """What was held back, at the end of the text.  A thought that did not end stays a thought."""
        pieces = self._take(self._detokenizer.flush())
        held, self._held = self._held, ""
        if self._where == "start" and held:
            pieces.append(("answer", held))
        elif self._where == "thought" and held.strip("\n"):
            pieces.append(("thought", held))
        return pieces

    def _resume(self, tokenizer: Tokenizer, marks: Marks, prompt: Sequence[int]) -> None:
        """Begin within a thought where the prompt ends with the beginning of one."""
        tail = prompt[-_TAIL:]
        if marks.spelled:
            text = "".join(
                self._signs.get(id) or tokenizer.token_bytes(id).decode("utf-8", "replace") for id in tail
            )
            if text.rstrip().endswith(marks.begin):
                self._where = "title"
            return
        for at in range(len(tail) - 1, -1, -1):
            mark = self._signs.get(tail[at])
            if mark == marks.begin:
                said = b"".join(map(tokenizer.token_bytes, tail[at + 1 :])).decode("utf-8", "replace")
                if marks.title.startswith(said):
                    self._where, self._held = "title", said
            if mark is not None:
                return

    def _take(self, text: str) -> list[Piece]:
        """The pieces that some more text completes."""
        pieces: list[Piece] = []
        if self._where == "answer":
            return [("answer", text)] if text else []
        text, self._held = self._held + text, ""
        marks = self._marks
        assert marks is not None
        if self._where == "start":
            first = text.lstrip()
            if first.startswith(marks.begin):
                self._where, text = "title", first[len(marks.begin) :]
            elif marks.begin.startswith(first):
                self._held = text
                return pieces
            else:
                self._where = "answer"
                return [("answer", text)]
        if self._where == "title":
            if len(text) < len(marks.title) and marks.title.startswith(text):
                self._held = text
                return pieces
            self._where, text = "lead", text.removeprefix(marks.title)
        if self._where == "lead":
            text = text.lstrip("\n")
            if not text:
                return pieces
            self._where = "thought"
        if self._where == "thought":
            thought, ended, rest = text.partition(marks.end) if marks.spelled else (text, "", "")
            if not ended:
                self._held = _unsure(text, marks.end if marks.spelled else "")
                thought = text[: len(text) - len(self._held)]
                return [("thought", thought)] if thought else pieces
            if thought := thought.rstrip("\n"):
                pieces.append(("thought", thought))
            self._where, text = "after", rest
        text = text.lstrip("\n")
        if text:
            self._where = "answer"
            pieces.append(("answer", text))
        return pieces


def _unsure(text: str, mark: str) -> str:
    """The end of a thought's text that may not belong to it: line breaks, and the beginning of the mark."""
    keep = next(
        (size for size in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:size])), 0
    )
    body = text[: len(text) - keep].rstrip("\n")
    return text[len(body) :]
