"""What is sent of documents that may be too long for the model: everything, or a part by the rule asked for.

Nothing is left out unsaid: every rule gives a sentence with how much was read of how much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gemcli.pack.assemble import Prompt, assemble
from gemcli.pack.budget import Budget
from gemcli.pack.cost import Costs
from gemcli.parts import Document

if TYPE_CHECKING:
    from model.load import ModelCard

Policy = Literal["auto", "error", "select", "map", "head", "tail"]
How = Literal["none", "error", "select", "map", "head", "tail"]

#: Tokens of chosen passages where it is not known how fast the model reads here.
USUAL = 1_200
#: And at least: with fewer the answer is often missing.
LEAST = 1_000

_SURELY = 1.02  # how far counts of single parts can be off the whole's


@dataclass(frozen=True, slots=True)
class Packer:
    """How one model is given documents and a question.

    Attributes:
        card: the model.
        system: the instruction; None for the default.
    """

    card: ModelCard
    system: str | None

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
            template=self.card.template,
            tokenizer=self.card.tokenizer,
            is_base=self.card.is_base,
            passages=passages,
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
            template=self.card.template,
            tokenizer=self.card.tokenizer,
            is_base=self.card.is_base,
            keep=keep,
            report=report,
        )


@dataclass(frozen=True, slots=True)
class Packed:
    """What became of documents and a question.

    Attributes:
        documents: what is sent of them.
        prompt: their prompt; None where they do not fit and are refused, or are to be read in windows, or
            where there is no question yet to choose passages by.
        how: the rule that was used; ``none`` where everything fits.
        given: tokens of everything, part by part.
        tokens_read: tokens of the documents' texts that are sent.
        says: how much that is of how much, as a sentence; "" for everything.
    """

    documents: tuple[Document, ...]
    prompt: Prompt | None
    how: How
    given: Costs
    tokens_read: int
    says: str = ""


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
        documents: texts only, in order.
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
    documents = tuple(documents)
    given = packer.count(documents, question, keep=keep, report=counting)
    if given.total <= (limits.window - limits.room) * _SURELY:
        prompt = packer(documents, question)
        if limits.fits(len(prompt.ids)):
            return Packed(documents, prompt, "none", prompt.costs, prompt.costs.total - prompt.costs.overhead)
    if policy == "error" or policy == "map":
        return Packed(documents, None, policy, given, 0)
    room = limits.for_documents(given.overhead)
    if policy in ("head", "tail"):
        from gemcli.pack.ends import head, tail

        end = head if policy == "head" else tail
        cut = end(documents, room, given, lambda text: len(packer.card.tokenizer.encode(text)))
        if not cut.tokens_read:
            return Packed(documents, None, "error", given, 0)
        prompt = packer(cut.documents, question)
        return Packed(cut.documents, prompt, policy, given, cut.tokens_read, cut.note())
    tokens = min(room, max(LEAST, pace) if pace else USUAL)
    if not question.strip():
        return Packed(documents, None, "select", given, tokens)
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
    return Packed(
        sent, packer(sent, question, passages=True), "select", given, chosen.tokens_read, chosen.note()
    )
