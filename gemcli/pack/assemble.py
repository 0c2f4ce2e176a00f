"""Documents and a question become one sequence of token ids: documents first, the question last.

The documents come first so that the beginning of the prompt is the same for every question about them.
Whatever a document says stays text: it never becomes a control token.  A picture or a sound has its place in
the text of `gemcli.pack.compose`: tokens that its soft tokens will stand for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gemcli.pack.compose import Content, Insert, compose
from gemcli.pack.cost import Costs, Stretch, count, lost
from gemcli.pack.marks import marks
from gemcli.pack.media import Media
from gemcli.parts import Audio, Document, Image, Text
from gemcli.turns import Turn

if TYPE_CHECKING:
    from model.tokenizer.base import Tokenizer

SYSTEM = (
    "Answer the question from the documents. Be short and exact. "
    "If the answer is not in the documents, say that it is not in them."
)
DENIAL = "Not in the documents."
REMINDER = (
    f'Is the answer stated in the documents above? If it is, answer with it. If it is not, say "{DENIAL}"'
)
"""Follows a question to passages that were chosen for it, which may not be the right ones.  Said only at the
top it is forgotten over them: the default model then invented answers to three of five questions about what a
manual does not say, and with this to none.  Over a whole document it denies too much, and what is no question
(summarize, translate, write) need not be stated anywhere."""
SURE = 0.5
"""How likely the first token of `DENIAL` must be to be said.  Where a manual had the answer the default model
gave it 0.03 to 0.5, where it had not 0.45 to 0.94; merely as the likeliest it won far too often."""
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
class Slot:
    """A run of a prompt's tokens that soft tokens will take the place of.

    Attributes:
        first: index of the first of them.
        count: how many.
        part: what is seen or heard there; a long sound has several slots, one for each window of it.
        source: the document that it is of.
        place: indexes of that document and of the part in it; of an earlier turn's, the first is negative.
    """

    first: int
    count: int
    part: Image | Audio
    source: str
    place: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt ready for the engine.

    Attributes:
        ids: every token, in order.
        costs: which of them belong to which part.
        stops: strings at which the answer must end besides those that the person named.
        media: the places of pictures and sound, in order.
        reluctant: tokens that may begin the answer only where they are at least so likely.
        marks: places behind which other prompts are likely to differ, rising: where questions begin, and what
            follows large documents.
    """

    ids: list[int]
    costs: Costs
    stops: tuple[str, ...] = ()
    media: tuple[Slot, ...] = ()
    reluctant: Mapping[int, float] = field(default_factory=dict)
    marks: tuple[int, ...] = ()


def assemble(
    documents: Sequence[Document],
    question: str,
    *,
    system: str | None,
    template: Template,
    tokenizer: Tokenizer,
    is_base: bool = False,
    passages: bool = False,
    media: Media | None = None,
    earlier: Sequence[Turn] = (),
    form: str = "",
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
        media: how the model is shown pictures and played sound, where documents hold any.
        earlier: the conversation before; in the costs it is overhead.
        form: what the answer must look like, said behind the question; no `REMINDER` stands beside it.

    Raises:
        UnsupportedModelError: the template or the tokenizer does not keep the text as it is given.
    """
    reminder = ""
    if system is None:
        shown = documents or any(turn.documents for turn in earlier)
        system = SYSTEM if shown and not is_base else ""
        reminder = REMINDER if system and passages and question.rstrip().endswith(_QUESTION_MARKS) else ""
    reluctant = {tokenizer.encode(DENIAL)[0]: SURE} if reminder and not form else {}
    content = compose(documents, question, reminder=form or reminder, ask_for_answer=is_base, media=media)
    before = [compose(each.documents, each.question, ask_for_answer=is_base, media=media) for each in earlier]
    said = [(old.text, turn.answer.strip()) for old, turn in zip(before, earlier, strict=True)]
    spans = _spans(template, system, said, content.text, is_base=is_base)
    ids: list[int] = []
    slots: list[Slot] = []
    stretches: list[Stretch] = []
    runs: list[tuple[int, int]] = []
    shows = [*(turn.documents for turn in earlier), documents]
    for text, found in _segments(spans, said, [*before, content]):
        ids += tokenizer.encode_spans(text)
        if not stretches and tokenizer.add_bos and tokenizer.bos_id is not None:
            ids = ids if ids[:1] == [tokenizer.bos_id] else [tokenizer.bos_id, *ids]
        if found is None:
            continue
        turn, insert = found
        run, document = insert.run, shows[turn][insert.document]
        part = document.parts[insert.part]
        assert not isinstance(part, Text), "a text has no soft tokens"
        if turn < len(earlier):
            number = insert.document - sum(len(each) for each in shows[turn:-1])
        else:
            number = insert.document
            stretches.append(Stretch(number, insert.part, len(ids), len(ids) + len(run.ids)))
        if run.count:
            place = (number, insert.part)
            slots.append(Slot(len(ids) + run.skip, run.count, part, document.source, place))
        runs.append((len(ids), len(ids) + len(run.ids)))
        ids += run.ids
    costs = count(ids, tokenizer.token_bytes, content.text, content.regions, stretches)
    turns = [(each.text, _borders(each)) for each in (*before, content)]
    places = marks(ids, tokenizer.token_bytes, turns, [answer for _, answer in said], runs)
    return Prompt(ids, costs, BASE_STOPS if is_base else (), tuple(slots), reluctant, places)


def _borders(content: Content) -> list[int]:
    """The characters at which documents that follow others begin, and the one at which the question does."""
    headings = [each.start for each in content.regions if each.part is None]
    return [*headings[1:], content.regions[-1].end if content.regions else 0]


def _segments(
    spans: Sequence[tuple[str, bool]], said: Sequence[tuple[str, str]], contents: Sequence[Content]
) -> Iterator[tuple[list[tuple[str, bool]], tuple[int, Insert] | None]]:
    """The conversation's spans cut where something is to be inserted: (spans, what follows them and in which
    of the contents)."""
    if not any(content.inserts for content in contents):
        yield list(spans), None
        return
    starts = _starts("".join(text for text, _ in spans), said, contents[-1].text)
    rest = list(spans)
    at = 0
    for turn, (content, start) in enumerate(zip(contents, starts, strict=True)):
        for insert in content.inserts:
            before: list[tuple[str, bool]] = []
            room = start + insert.at - at
            while rest and room >= len(rest[0][0]):
                room -= len(rest[0][0])
                before.append(rest.pop(0))
            if room:
                text, trusted = rest[0]
                before.append((text[:room], trusted))
                rest[0] = (text[room:], trusted)
            at = start + insert.at
            yield before, (turn, insert)
    yield rest, None


def _starts(whole: str, said: Sequence[tuple[str, str]], last: str) -> list[int]:
    """Where in the conversation the user's turns begin; searched for from the end, since what comes later may
    repeat what came before but stands behind it."""
    found = [whole.rfind(last)]
    for asked, answered in reversed(said):
        end = whole.rfind(answered, 0, max(found[-1], 0))
        found.append(whole.rfind(asked, 0, max(end, 0)))
    if min(found) < 0:
        raise lost()
    return found[::-1]


def _spans(
    template: Template, system: str, said: Sequence[tuple[str, str]], text: str, *, is_base: bool
) -> list[tuple[str, bool]]:
    """The conversation's spans; an instruction that the template has no role for goes before the text."""
    from model.errors import TemplateError

    if is_base:  # the whole conversation is one text that goes on
        text = "".join(f"{asked} {answered}\n\n" for asked, answered in said) + text
        said = ()
    messages = [
        {"role": role, "content": content}
        for turn in said
        for role, content in zip(("user", "assistant"), turn, strict=True)
    ]
    messages.append({"role": "user", "content": text})
    if not system.strip():
        return template.spans(messages)
    try:
        return template.spans([{"role": "system", "content": system.strip()}, *messages])
    except TemplateError:
        first = {"role": "user", "content": f"{system.strip()}\n\n{messages[0]['content']}"}
        return template.spans([first, *messages[1:]])
