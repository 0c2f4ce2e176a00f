"""The model shows where its answer is from: it quotes, and can quote nothing but what it was shown.

A small model that is asked to cite invents.  So the answer comes first, and then the question where it is
from, answered under a constraint: each quote is a span of the documents, which tells its place.  What was
read for the answer is not read again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gemcli.cite.claims import claims, is_denial
from gemcli.cite.match import Citation, Sources
from gemcli.cite.near import near
from gemcli.cite.spans import Quotable, quotable
from gemcli.errors import CitationError
from gemcli.events import Progress, Warning
from gemcli.parts import Anchor, Document, Text
from gemcli.perceive import Perception
from gemcli.turns import Turn
from gemcli.worker import Emit

if TYPE_CHECKING:
    from gemcli.pack.assemble import Prompt
    from gemcli.prepared import Prepared
    from gemcli.request import Request
    from model.engine.session import Session
    from model.load import Model

ASK = (
    "Which sentence of the documents above says so? Quote it word for word, in quotation marks, and write "
    "nothing else."
)
_MOST = 3
_TOKENS = 120  # of a quote at most
_LEAST = 48  # tokens that there must be room for
_PASSAGES = 1_000  # tokens of the passages that are quoted from where not everything sent can be
_MUCH_SAID = 1_000  # characters of an answer
_SENTENCE = re.compile(r"[.!?](?:\s|$)|\n")


def cite(
    prepared: Prepared, request: Request, answer: str, model: Model, session: Session | None, emit: Emit
) -> list[Citation]:
    """The citations of an answer: what it quotes itself, then what the model quotes for it.

    Args:
        prepared: the request, with the prompt that was answered.
        request: what was asked.
        answer: the model's.
        model: the same.
        session: holds the state after the answer; None: all of it is read again.
        emit: gets `Progress` of the stage ``cite``, and a `Warning` where nothing can be quoted.
    """
    documents = told(request.earlier, prepared.documents)
    sources = Sources(documents)
    if not sources:
        emit(Warning("there is no text to cite: quotes are taken from texts alone"))
        return []
    found = claims(answer, documents, sources)
    if is_denial(answer):
        return found
    for citation in _quotes(prepared, request, answer, sources, model, session, emit):
        if not any(citation.quote in each.quote for each in found if each.verified):
            found.append(citation)
    return found


def check(citations: Sequence[Citation], answer: str) -> None:
    """Refuse an answer whose citations cannot all be verified, or that has none and needs one.

    Raises:
        CitationError: it says which.
    """
    wrong = [each for each in citations if not each.verified]
    if wrong:
        first = wrong[0].quote or f"[{wrong[0].source} {wrong[0].anchor.label()}]"
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise CitationError(f"this does not stand in the documents: {first[:200]}{more}")
    if not citations and not is_denial(answer):
        raise CitationError("nothing in the documents could be quoted for this answer")


def told(earlier: Sequence[Turn], documents: Sequence[Document]) -> list[Document]:
    """The texts that a conversation was shown, each document once, with all of it that was shown."""
    shown: dict[str, Document] = {}
    parts: dict[str, dict[tuple[str, Anchor], Text]] = {}
    for each in (*(document for turn in earlier for document in turn.documents), *documents):
        shown[each.source] = each
        held = parts.setdefault(each.source, {})
        held.update({(part.text, part.anchor): part for part in each.parts if isinstance(part, Text)})
    return [replace(each, parts=tuple(parts[name].values())) for name, each in shown.items()]


def _quotes(
    prepared: Prepared,
    request: Request,
    answer: str,
    sources: Sources,
    model: Model,
    session: Session | None,
    emit: Emit,
) -> list[Citation]:
    """What the model quotes for its answer."""
    from model.errors import ContextOverflowError
    from model.sampling.constraint import ConstraintError
    from model.sampling.sampler import Sampling
    from model.sampling.spans import Quoted

    card = prepared.card
    count = min(_MOST, max(1, len(_SENTENCE.findall(answer.strip() + "\n"))))
    shown = prepared.packed.documents
    if prepared.packed.how == "map":  # notes were sent
        shown = _passages(prepared, request, answer)
    prompt = _prompt(prepared, request, answer, shown)
    if len(prompt.ids) + _LEAST >= model.window:
        shown = _passages(prepared, request, answer)
        prompt = _prompt(prepared, request, answer[:_MUCH_SAID], shown)
    told_of = told(request.earlier, shown)
    texts = near(quotable(told_of), answer, request.question)
    try:
        constraint = Quoted([each.span for each in texts], card.tokenizer, card.config.vocab, count=count)
        media = Perception(prompt, prepared.packer.media, lambda: model.senses, emit)
        ids = [*prompt.ids, *card.tokenizer.encode('"')]
        emit(Progress("cite", 0, None, "tokens"))
        generation = model.stream(
            ids,
            sampling=Sampling(),
            max_tokens=max(_LEAST, min(_TOKENS * count, model.window - len(ids))),
            soft=media.soft,
            constraint=constraint,
            marks=prompt.marks,
            about=[each.source for each in shown],
            session=session,
            keep=False,
        )
        try:
            for _ in generation:
                emit(Progress("cite", generation.completion_tokens, None, "tokens"))
        finally:
            generation.close()
    except ContextOverflowError as error:
        emit(Warning(f"nothing is quoted for this answer: {error}"))
        return []
    except ConstraintError as error:
        emit(Warning(f"nothing can be quoted for this answer: {error}"))
        return []
    return _located(constraint.quotes, texts, told_of, sources)


def _located(
    quotes: Sequence[tuple[int, int, int]],
    texts: Sequence[Quotable],
    shown: Sequence[Document],
    sources: Sources,
) -> list[Citation]:
    """Citations of spans, each looked for in the documents as any other quote is."""
    found: list[Citation] = []
    for number, begin, end in quotes:
        text = texts[number]
        quote = text.span.text[begin:end].decode("utf-8", "replace").strip()
        document = shown[text.document]
        citation = sources.cite(quote, (document.source, document.parts[text.part].anchor))
        if all(citation.quote != each.quote for each in found):
            found.append(citation)
    return found


def _passages(prepared: Prepared, request: Request, answer: str) -> tuple[Document, ...]:
    """Passages of the documents that have to do with an answer, where not all of it can be quoted from."""
    from gemcli.pack.select import select

    encode = prepared.card.tokenizer.encode
    if not prepared.documents:  # they came with earlier questions
        return ()
    given = prepared.packed.given
    chosen = select(
        prepared.documents,
        f"{request.question}\n{answer}",
        tokens=min(_PASSAGES, prepared.limits.window // 3),
        count=lambda text: len(encode(text)),
        given=given.total - given.overhead,
        keep=request.keep,
    )
    return tuple(each for each in chosen.documents if each.parts)


def _prompt(prepared: Prepared, request: Request, answer: str, shown: tuple[Document, ...]) -> Prompt:
    """The conversation with the answer in it, and the question where it is from."""
    earlier = (*prepared.packer.earlier, Turn(request.question, answer, shown))
    packer = replace(prepared.packer, earlier=earlier, form="", template=None)
    return packer((), ASK)
