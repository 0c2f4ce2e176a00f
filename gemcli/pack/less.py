"""Pictures made less until documents fit: they may have what texts and sound leave of the room.

However long the texts are, pictures and sound may have a quarter of it: then it is the texts that are chosen
from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gemcli.pack.assemble import Prompt
from gemcli.pack.budget import Budget
from gemcli.pack.cost import Costs
from gemcli.pack.thin import Lean, Thinned, thin_media
from gemcli.parts import Audio, Document, Image

if TYPE_CHECKING:
    from gemcli.pack.overflow import Packer

_MEDIA = 0.25
_TRIES = 4


@dataclass(frozen=True, slots=True)
class Less:
    """Documents with less of their pictures.

    Attributes:
        documents: what is left of them.
        costs: their tokens.
        thinned: what became less.
        prompt: theirs, where all of it fits; None where the texts are too long.
    """

    documents: tuple[Document, ...]
    costs: Costs
    thinned: tuple[Thinned, ...]
    prompt: Prompt | None


def media_tokens(
    documents: Sequence[Document], costs: Costs, kinds: tuple[type, ...] = (Image, Audio)
) -> int:
    """Tokens of all pictures and sounds, or of one of these kinds."""
    return sum(
        costs.parts[index, number]
        for index, document in enumerate(documents)
        for number, part in enumerate(document.parts)
        if isinstance(part, kinds)
    )


class LessMedia:
    """Documents that do not fit, on their way to having less of their pictures.

    Args:
        documents: all of them.
        question: what is asked.
        packer: makes the prompt.
        limits: the window.
        given: tokens of every part.
    """

    def __init__(
        self,
        documents: tuple[Document, ...],
        question: str,
        packer: Packer,
        limits: Budget,
        given: Costs,
    ) -> None:
        self._documents = documents
        self._question = question
        self._packer = packer
        self._limits = limits
        self._given = given
        self._media = packer.media
        # What stands around a picture: its anchor, its marks, its time.
        self._around = {
            id(part): given.parts[index, number] - self._media.soft(part)
            for index, document in enumerate(documents)
            for number, part in enumerate(document.parts)
            if isinstance(part, Image)
        }

    def run(self, *, keep: bool) -> Less:
        """What is left; `keep`: counts may be kept on disk."""
        given, limits = self._given, self._limits
        room = limits.for_documents(given.overhead)
        heard = media_tokens(self._documents, given, (Audio,))
        others = given.total - given.overhead - media_tokens(self._documents, given, (Image,))
        seen = max(room - others, int(_MEDIA * room) - heard, 0)
        fits = others + seen <= room
        lean = self._lean(seen)
        for _ in range(_TRIES if fits else 0):
            prompt = self._packer(lean.documents, self._question)
            over = len(prompt.ids) + limits.room - limits.window
            if over <= 0:
                return Less(lean.documents, prompt.costs, lean.thinned, prompt)
            seen = max(0, seen - over)
            lean = self._lean(seen)
        costs = self._packer.count(lean.documents, self._question, keep=keep, report=_untold)
        return Less(lean.documents, costs, lean.thinned, None)

    def _lean(self, tokens: int) -> Lean:
        return thin_media(self._documents, tokens=tokens, cost=self._cost, levels=self._media.levels)

    def _cost(self, image: Image, level: int | None) -> int:
        return self._media.soft(image, level) + self._around[id(image)]


def _untold(done: int, total: int | None) -> None:
    """The second count is quick: it is that of the first but for the pictures."""
