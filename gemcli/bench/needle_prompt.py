"""A task and a haystack become a prompt of exactly so many tokens, and what two prompts share is known.

All prompts of a run begin alike: the template's head and the haystack's beginning.  They differ from the
place of the first needle on that one of them has and the other has not, which needs no look at the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from gemcli.bench.haystack import Haystack
from gemcli.bench.needle_text import Needle, Task
from gemcli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.card import ModelCard
    from model.prompt import Soft

HERE = "(Here is the text.)"


@dataclass(frozen=True, slots=True)
class Insert:
    """A needle as tokens.

    Attributes:
        ids: all of them, blank lines included.
        soft: what stands in the place of some, counted from the first of `ids`.
    """

    ids: tuple[int, ...]
    soft: tuple[Soft, ...] = ()


Encode = Callable[[Needle], Insert]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands in a prompt.

    Attributes:
        length: tokens in all.
        head, tail: before and behind the haystack with its needles.
        starts: of each needle, as an index in the prompt, rising.
        needles: in that order.
    """

    length: int
    head: tuple[int, ...]
    tail: tuple[int, ...]
    starts: tuple[int, ...]
    needles: tuple[Needle, ...]

    @property
    def branches(self) -> tuple[tuple[int, str], ...]:
        """What tells it from other prompts, in order; prompts sorted by this share as much as they can with
        their neighbours."""
        return tuple((start, each.text) for start, each in zip(self.starts, self.needles, strict=True))

    def shares(self, other: Layout) -> int:
        """Tokens at the beginning that are sure to be those of another prompt: 0, or where a needle of one
        of the two begins."""
        if self.head != other.head:
            return 0
        for (mine, said), (theirs, told) in zip(self.branches, other.branches, strict=False):
            if (mine, said) != (theirs, told):
                return min(mine, theirs)
        return max(self.starts, default=0)


class Prompts:
    """Makes prompts of one model.

    Args:
        card: the model.
        hay: the text.
        insert: needles as tokens.
    """

    def __init__(self, card: ModelCard, hay: Haystack, insert: Encode) -> None:
        self._card = card
        self._hay = hay
        self._insert = lru_cache(maxsize=256)(insert)

    def layout(self, task: Task, length: int) -> Layout:
        """Where everything stands in the prompt of a task.

        A needle's depth is that in the haystack, moved back to where a line begins.

        Raises:
            UsageError: so many tokens do not even hold the question.
        """
        head, tail = self._around(task)
        inserts = [self._insert(each) for each in task.needles]
        hay = length - len(head) - len(tail) - sum(len(each.ids) for each in inserts)
        if hay < 0:
            raise UsageError(
                f"a prompt of {length:,} tokens has no room for its question, which takes {length - hay:,}",
                "Give larger --lengths.",
            )
        placed = sorted(
            (self._hay.between_lines(round(each.depth * hay)), number)
            for number, each in enumerate(task.needles)
        )
        starts, before = [], len(head)
        for place, number in placed:
            starts.append(before + place)
            before += len(inserts[number].ids)
        needles = tuple(task.needles[number] for _, number in placed)
        return Layout(length, head, tail, tuple(starts), needles)

    def build(self, layout: Layout) -> tuple[NDArray[np.int32], list[Soft]]:
        """The prompt int32 [T], and what is soft in it, in order."""
        import numpy as np

        inserts = [self._insert(each) for each in layout.needles]
        free = layout.length - len(layout.head) - len(layout.tail) - sum(len(each.ids) for each in inserts)
        hay = self._hay.take(free)
        pieces: list[Sequence[int] | NDArray[np.int32]] = [layout.head]
        soft: list[Soft] = []
        done, at = 0, len(layout.head)
        for start, each in zip(layout.starts, inserts, strict=True):
            pieces += [hay[done : done + start - at], each.ids]
            done += start - at
            soft += [replace(part, first=start + part.first) for part in each.soft]
            at = start + len(each.ids)
        pieces += [hay[done:], layout.tail]
        ids = np.concatenate([np.asarray(piece, np.int32) for piece in pieces])
        assert len(ids) == layout.length, "a prompt has the tokens that it was laid out for"
        return ids, soft

    def _around(self, task: Task) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The tokens before and behind the text, in the model's own form of a conversation."""
        card, tokenizer = self._card, self._card.tokenizer
        # As such a model is asked everywhere. Without the two words gemma-3-270m, 3,600 tokens behind the
        # needle, repeated the question's own words in two of three answers; with them it found the key.
        ending = f"Question: {task.question}\nAnswer: {task.lead}" if card.is_base else task.question
        content = f"{task.intro}\n\n{HERE}\n\n{ending}"
        before: list[tuple[str, bool]] = []
        after: list[tuple[str, bool]] = []
        for text, trusted in card.template.spans([{"role": "user", "content": content}]):
            if not after and HERE in text:
                first, _, last = text.partition(HERE)
                before.append((first, trusted))
                after.append((last, trusted))
            else:
                (after if after else before).append((text, trusted))
        if not after:
            raise UsageError(
                f"the chat template of {card.path.name} changes the text that it is given",
                "Take another model.",
            )
        head = tokenizer.encode_spans(before)
        if tokenizer.add_bos and tokenizer.bos_id is not None and head[:1] != [tokenizer.bos_id]:
            head = [tokenizer.bos_id, *head]
        return tuple(head), tuple(tokenizer.encode_spans(after))
