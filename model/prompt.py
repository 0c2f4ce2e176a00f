"""What stands in a prompt where there is no token: the soft tokens of a picture, a frame or a sound."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Rows(Protocol):
    """Soft tokens f32 [n, D], which may be computed only when they are looked at; an array is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        """Consecutive rows."""
        ...


@dataclass(frozen=True, slots=True)
class Soft:
    """A run of soft tokens.

    Attributes:
        first: index in the prompt of the first of the tokens whose places they take.
        rows: f32 [n, D], as the encoder's projector gives them.
        is_block: they are one picture or frame, whose tokens may see each other; a sound's never do.
        key: what the rows depend on beside the model: the file's bytes and how they were prepared.  Where it
            is "" the rows themselves are looked at.
    """

    first: int
    rows: Rows
    is_block: bool
    key: str = ""

    @property
    def end(self) -> int:
        """Index behind the last of them."""
        return self.first + len(self.rows)

    @property
    def identity(self) -> str:
        """What tells these rows from all others of the same model."""
        if self.key:
            return f"of {self.key}"
        rows = np.ascontiguousarray(self.rows[0 : len(self.rows)], np.float32)
        return f"is {hashlib.blake2b(rows.tobytes(), digest_size=20).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Expected:
    """A prompt that is going to be asked.

    Attributes:
        ids, soft, marks: as they will be given to `model.load.Model.stream`.
        limit: most tokens of the answer.
    """

    ids: Sequence[int]
    soft: Sequence[Soft] = ()
    marks: Sequence[int] = ()
    limit: int = 1
