"""A prompt as it is computed: its chunks, and behind each of them a name for all that the state depends on.

Two runs compute the same bits when they take the same tokens in the same chunks, so both are in the name:
token ids, what is seen and heard in their place, and every cut.  Where two prompts have the same name at a
point, the state there is the same, and either may go on from what the other has computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from model.engine import plan
from model.prompt import Soft

_BYTES = 20  # of a name: that two prompts share one by chance is out of the question


@dataclass(frozen=True, slots=True)
class Step:
    """One chunk of a prompt.

    Attributes:
        first, end: the tokens [first, end) that it takes.
        size: tokens that its program is compiled for; the rest is padding.
        name: of the state behind it; "" where nobody else can know it.
    """

    first: int
    end: int
    size: int
    name: str

    @property
    def taken(self) -> int:
        """How many tokens it takes."""
        return self.end - self.first


@dataclass(frozen=True, slots=True)
class Trail:
    """A prompt with its chunks, from `trail`.

    Attributes:
        ids: the tokens.
        soft: what stands in the place of some of them, in order.
        steps: the chunks, in order; the last one ends with the prompt.
        marks: the places behind which other prompts are likely to differ, rising.
        whole: the pictures that are not to be divided, (begin, end) each.
        about: the names of what the prompt is about, for whoever looks at what is kept.
    """

    ids: Sequence[int]
    soft: tuple[Soft, ...]
    steps: tuple[Step, ...]
    marks: tuple[int, ...] = ()
    whole: tuple[tuple[int, int], ...] = ()
    about: tuple[str, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def mark(self) -> int:
        """The last of the marks; 0 where there is none."""
        return self.marks[-1] if self.marks else 0

    @property
    def name(self) -> str:
        """Of the state behind all of it."""
        return self.steps[-1].name if self.steps else ""

    def rest(self, done: int) -> tuple[Step, ...]:
        """The chunks that take what is left behind `done` tokens.

        Where none of the prompt's own chunks begins there they are cut anew, and have no names: what they
        compute is not, bit by bit, what another run would.
        """
        for index, step in enumerate(self.steps):
            if step.first == done:
                return self.steps[index:]
        shifted = [(begin - done, end - done) for begin, end in self.whole if end > done]
        found: list[Step] = []
        for taken, size in plan.chunks(len(self) - done, shifted):
            first = found[-1].end if found else done
            found.append(Step(first, first + taken, size, ""))
        return tuple(found)


def trail(
    ids: Sequence[int],
    soft: Sequence[Soft] = (),
    marks: Sequence[int] = (),
    *,
    blocks_whole: bool = False,
    about: Sequence[str] = (),
) -> Trail:
    """Cut a prompt into chunks and name the state behind each.

    Args:
        ids: every token.
        soft: what stands in the place of some of the ids, in order.
        marks: places behind which other prompts are likely to differ: the chunks end there.  See `plan.kept`.
        blocks_whole: pictures are not to be divided.
        about: the names of what the prompt is about.
    """
    whole = [(each.first, each.end) for each in soft if each.is_block] if blocks_whole else []
    marks = plan.kept(marks, len(ids))
    tokens = np.asarray(ids, np.int32)
    digest = hashlib.blake2b(digest_size=_BYTES)
    steps: list[Step] = []
    done = at = 0
    for taken, size in plan.chunks(len(ids), whole, marks):
        end = done + taken
        digest.update(np.array([taken, size], np.int64).tobytes())
        digest.update(tokens[done:end].tobytes())
        while at < len(soft) and soft[at].end <= done:
            at += 1
        for each in soft[at:]:
            if each.first >= end:
                break
            digest.update(f"|{each.first}+{len(each.rows)} {each.is_block} {each.identity}|".encode())
        steps.append(Step(done, end, size, digest.hexdigest()))
        done = end
    return Trail(ids, tuple(soft), tuple(steps), marks, tuple(whole), tuple(about))
