"""Documents and a question become one sequence of token ids: documents first, the question last.

The documents come first so that the beginning of the prompt is the same for every question about them.
Each is introduced by name, each of its parts by its anchor (``[report.pdf p.12]``), so that an answer can
say where it comes from.  Whatever a document says stays text: it never becomes a control token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gemcli.pack.cost import Costs, Region, count
from gemcli.parts import Document, Text

if TYPE_CHECKING:
    from model.tokenizer.base import Tokenizer

SYSTEM = (
    "Answer the question from the documents. Be short and exact. "
    "If the answer is not in the documents, say that it is not in them."
)
REMINDER = (
    "Is the answer stated in the documents above? If it is, answer with it. "
    'If it is not, say "Not in the documents."'
)
"""Follows a question to passages that were chosen for it, which may not be the right ones.  Said only at the
top it is forgotten over them: the default model then invented answers to three of five questions about what a
manual does not say, and with this to none.  Over a whole document it denies too much, and what is no question
(summarize, translate, write) need not be stated anywhere."""
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")  # also the wide one of Chinese and Japanese, and the Arabic one
BASE_STOPS = ("\nQuestion:", "\nDocument:")


class Template(Protocol):
    """What is needed of `model.tokenizer.template.ChatTemplate`."""

    def spans(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool = True
    ) -> list[tuple[str, bool]]:
        """The conversation as text spans, True where they are the template's own."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt ready for the engine.

    Attributes:
        ids: every token, in order.
        costs: which of them belong to which part.
        stops: strings at which the answer must end besides those that the person named.
    """

    ids: list[int]
    costs: Costs
    stops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """The text of the user's turn, and where in it each part stands.

    Attributes:
        text: documents, then the question; begins and ends with no white space, so that a template that
            trims leaves it alone.
        regions: one for each document and part, in order, as character ranges of `text`.
    """

    text: str
    regions: tuple[Region, ...]


def assemble(
    documents: Sequence[Document],
    question: str,
    *,
    system: str | None,
    template: Template,
    tokenizer: Tokenizer,
    is_base: bool = False,
    passages: bool = False,
) -> Prompt:
    """The prompt for a question about documents.

    Args:
        documents: in the order in which the model reads them; may be empty.
        question: what is asked; may be empty (a plan without a question).
        system: the instruction; None for the default, with its `REMINDER`; ``""`` for none at all.
        template: the model's chat template.
        tokenizer: the model's tokenizer; the text is tokenized once.
        passages: the documents are passages that were chosen for the question.
        is_base: the model only continues text: it gets ``Question: … Answer:`` instead of a conversation.

    Raises:
        UnsupportedModelError: the template or the tokenizer does not keep the text as it is given.
    """
    reminder = ""
    if system is None:
        system = SYSTEM if documents and not is_base else ""
        reminder = REMINDER if system and passages and question.rstrip().endswith(_QUESTION_MARKS) else ""
    content = compose(documents, question, reminder=reminder, ask_for_answer=is_base)
    spans = _spans(template, system, content.text)
    ids = tokenizer.encode_spans(spans)
    if tokenizer.add_bos and tokenizer.bos_id is not None and ids[:1] != [tokenizer.bos_id]:
        ids = [tokenizer.bos_id, *ids]
    costs = count(ids, tokenizer.token_bytes, content.text, content.regions)
    return Prompt(ids, costs, BASE_STOPS if is_base else ())


def compose(
    documents: Sequence[Document], question: str, *, reminder: str = "", ask_for_answer: bool = False
) -> Content:
    """The text of the user's turn: every document with its anchors, then the question, then a reminder.

    Every character of every part is in it, in order.  `ask_for_answer` ends it with ``Answer:``, which is
    how a model that only continues text is asked.
    """
    names = _names(documents)
    pieces: list[str] = []
    regions: list[Region] = []
    at = 0

    def put(text: str) -> None:
        nonlocal at
        pieces.append(text)
        at += len(text)

    for index, (document, name) in enumerate(zip(documents, names, strict=True)):
        begin = at
        put(f"Document: {document.source}\n")
        regions.append(Region(index, None, begin, at))
        for number, part in enumerate(document.parts):
            begin = at
            assert isinstance(part, Text), "what the model cannot take was made text of"
            label = part.anchor.label()
            put(f"[{name} {label}]\n" if label else "")
            put(part.text)
            put("\n" if part.text.endswith("\n") else "\n\n")
            regions.append(Region(index, number, begin, at))
    question = question.strip()
    if documents or ask_for_answer:
        put(f"Question: {question}" if question else "Question:")
    else:
        put(question)
    if reminder:
        put(f"\n{reminder}")
    if ask_for_answer:
        put("\nAnswer:")
    return Content("".join(pieces), tuple(regions))


def _names(documents: Sequence[Document]) -> list[str]:
    """The name of each document inside its anchors: its last path component where that is unique."""
    short = [document.source.rstrip("/").rpartition("/")[2] or document.source for document in documents]
    return [
        name if short.count(name) == 1 else document.source
        for name, document in zip(short, documents, strict=True)
    ]


def _spans(template: Template, system: str, text: str) -> list[tuple[str, bool]]:
    """The conversation's spans; an instruction that the template has no role for goes before the text."""
    from model.errors import TemplateError

    user = {"role": "user", "content": text}
    if not system.strip():
        return template.spans([user])
    try:
        return template.spans([{"role": "system", "content": system.strip()}, user])
    except TemplateError:
        return template.spans([{"role": "user", "content": f"{system.strip()}\n\n{text}"}])
