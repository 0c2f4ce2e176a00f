"""What is sent of documents that may be too long for the model: everything, or a part by the rule asked for.

Pictures become less before any text does (`gemcli.pack.less`).  Nothing is left out unsaid: every rule gives
a sentence with how much was read of how much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from gemcli.pack.assemble import Prompt, Template, assemble
from gemcli.pack.budget import Budget
from gemcli.pack.cost import Costs
from gemcli.pack.less import LessMedia, media_tokens
from gemcli.pack.media import Media
from gemcli.pack.thin import Thinned
from gemcli.parts import Document, Image, Text
from gemcli.turns import Turn

if TYPE_CHECKING:
    from model.load import ModelCard

Policy = Literal["auto", "error", "select", "map", "head", "tail"]
How = Literal["none", "error", "thin", "select", "map", "head", "tail"]

#: Tokens of chosen passages where it is not known how fast the model reads here.
USUAL = 1_200
#: And at least: with fewer the answer is often missing.
LEAST = 1_000
#: And at most for a small model, which loses the thread among passages that do not matter: of 20 questions
#: the default one answered 17 over 1,000 tokens, 15 over 1,280 and 14 over 1,350.
DIGEST = 1_000
SMALL = 3_000_000_000  # parameters

_SURELY = 1.02  # how far counts of single parts can be off the whole's
_SHORT = 2  # characters a token: text has more of them
_AT_ONCE = 100_000  # characters that are sooner made a prompt of than counted


@dataclass(frozen=True, slots=True)
class Packer:
    """How one model is given documents and a question.

    Attributes:
        card: the model.
        system: the instruction; None for the default.
        template: how a conversation is written for it; None: as the model's own template does it.
        earlier: the conversation before the question.
        form: what the answer must look like, said behind the question; "" for nothing.
    """

    card: ModelCard
    system: str | None
    template: Template | None = None
    earlier: tuple[Turn, ...] = ()
    form: str = ""

    @property
    def media(self) -> Media:
        """How the model is shown pictures and played sound."""
        return Media(self.card)

    def __call__(
        self,
        documents: Sequence[Document],
        question: str,
        system: str | None = None,
        *,
        passages: bool = False,
    ) -> Prompt:
        """The prompt; see `gemcli.pack.assemble.assemble`."""
        return assemble(
            documents,
            question,
            system=self.system if system is None else system,
            template=self.template or self.card.template,
            tokenizer=self.card.tokenizer,
            is_base=self.card.is_base,
            passages=passages,
            media=self.media,
            earlier=self.earlier,
            form=self.form,
        )

    def count(
        self,
        documents: Sequence[Document],
        question: str,
        *,
        keep: bool,
        report: Callable[[int, int | None], None],
    ) -> Costs:
        """What the prompt would cost; see `gemcli.pack.tally.tally`."""
        from gemcli.pack.tally import tally

        return tally(
            documents,
            question,
            system=self.system,
            template=self.template or self.card.template,
            tokenizer=self.card.tokenizer,
            is_base=self.card.is_base,
            keep=keep,
            report=report,
            media=self.media,
            earlier=self.earlier,
            form=self.form,
        )


@dataclass(frozen=True, slots=True)
class Packed:
    """What became of documents and a question.

    Attributes:
        documents: what is sent of them.
        prompt: their prompt; None where they do not fit and are refused, or are to be read in windows, or
            where there is no question yet to choose passages by.
        how: the rule that was used; ``none`` where everything fits, ``thin`` where it does once there is less
            of the pictures.
        given: tokens of everything, part by part.
        tokens_read: tokens of the documents that are sent.
        says: how much that is of how much, as a sentence; "" for everything.
        thinned: which pictures became less.
    """

    documents: tuple[Document, ...]
    prompt: Prompt | None
    how: How
    given: Costs
    tokens_read: int
    says: str = ""
    thinned: tuple[Thinned, ...] = field(default=())


def pack(
    documents: Sequence[Document],
    question: str,
    packer: Packer,
    limits: Budget,
    *,
    policy: Policy,
    pace: int | None,
    keep: bool,
    counting: Callable[[int, int | None], None],
) -> Packed:
    """Fit documents into the model's window by a rule.

    Args:
        documents: in parts that the model takes, in order.
        question: what is asked.
        packer: makes the prompt.
        limits: the window.
        policy: what to do with too much; ``auto`` chooses passages.
        pace: tokens that this machine reads in a bearable time; None where it is not known.
        keep: whether counts and indexes are kept on disk.
        counting: told characters that are counted, and all; or that an index is made.

    Raises:
        UnsupportedModelError: see `gemcli.pack.assemble.assemble`.
    """
    documents, most = tuple(documents), limits.window - limits.room
    count = partial(packer.count, documents, question, keep=keep, report=counting)
    given = None if _is_short(documents, most) else count()
    if given is None or given.total <= most * _SURELY:
        prompt = packer(documents, question)
        if limits.fits(len(prompt.ids)):
            return Packed(documents, prompt, "none", prompt.costs, prompt.costs.total - prompt.costs.overhead)
    given = given or count()
    if policy == "error" or policy == "map":
        return Packed(documents, None, policy, given, 0)
    room = limits.for_documents(given.overhead)
    lean, costs, thinned = documents, given, ()
    if any(isinstance(part, Image) for each in documents for part in each.parts):
        less = LessMedia(documents, question, packer, limits, given).run(keep=keep)
        lean, costs, thinned = less.documents, less.costs, less.thinned
        if less.prompt is not None:
            read = costs.total - costs.overhead
            return Packed(lean, less.prompt, "thin", given, read, _said(read, given, thinned), thinned)
    made = _shortened(lean, question, packer, room, costs, policy, pace, keep, counting)
    if made.how == "error":
        return replace(made, documents=documents, given=given)
    says = made.says and _said(made.tokens_read, given, thinned, made.says)
    return replace(made, given=given, says=says, thinned=thinned)


def _is_short(documents: Sequence[Document], tokens: int) -> bool:
    """Whether texts are so short, and so likely to fit, that they are not counted first."""
    parts = [part for each in documents for part in each.parts]
    if not all(isinstance(part, Text) for part in parts):
        return False
    return sum(len(part.text) for part in parts if isinstance(part, Text)) <= min(_SHORT * tokens, _AT_ONCE)


def _shortened(
    documents: tuple[Document, ...],
    question: str,
    packer: Packer,
    room: int,
    given: Costs,
    policy: Policy,
    pace: int | None,
    keep: bool,
    counting: Callable[[int, int | None], None],
) -> Packed:
    """Documents whose texts are too long, by the rule asked for; pictures and sound in them stay.

    Args:
        documents, question, packer, policy, pace, keep, counting: as for `pack`.
        room: tokens that the documents may take.
        given: tokens of their parts.
    """
    if policy in ("head", "tail"):
        from gemcli.pack.ends import head, tail

        end = head if policy == "head" else tail
        cut = end(documents, room, given, lambda text: len(packer.card.tokenizer.encode(text)))
        if not cut.tokens_read:
            return Packed(documents, None, "error", given, 0)
        prompt = packer(cut.documents, question)
        return Packed(cut.documents, prompt, policy, given, cut.tokens_read, cut.note())
    media = media_tokens(documents, given)
    room -= media + sum(given.headings.values())
    if media and room < LEAST:
        return Packed(documents, None, "error", given, 0)
    tokens = min(room, max(LEAST, pace) if pace else USUAL)
    if packer.card.parameters < SMALL:
        tokens = min(tokens, DIGEST)
    if not question.strip():
        return Packed(documents, None, "select", given, tokens + media)
    from gemcli.pack.select import select

    counting(0, None)
    encode = packer.card.tokenizer.encode
    chosen = select(
        documents,
        question,
        tokens=tokens,
        count=lambda text: len(encode(text)),
        given=given.total - given.overhead,
        keep=keep,
    )
    sent = tuple(each for each in chosen.documents if each.parts)
    if not sent:  # the window is too small for any of it
        return Packed(documents, None, "error", given, 0)
    chosen = replace(chosen, tokens_read=chosen.tokens_read + media)
    prompt = packer(sent, question, passages=True)
    return Packed(sent, prompt, "select", given, chosen.tokens_read, chosen.note())


def _said(read: int, given: Costs, thinned: Sequence[Thinned], chosen: str = "") -> str:
    """How much is read of how much, and what became less."""
    notes = "; ".join(each.note() for each in thinned)
    if not chosen:
        return f"read {read:,} of {given.total - given.overhead:,} tokens: {notes}"
    return f"{chosen}; {notes}" if notes else chosen
