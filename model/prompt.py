"""What stands in a prompt where there is no token: the soft tokens of a picture, a frame or a sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Soft:
    """A run of soft tokens.

    Attributes:
        first: index in the prompt of the first of the tokens whose places they take.
        rows: f32 [n, D], as the encoder's projector gives them.
        is_block: they are one picture or frame, whose tokens may see each other; a sound's never do.
    """

    first: int
    rows: NDArray[np.float32]
    is_block: bool

    @property
    def end(self) -> int:
        """Index behind the last of them."""
        return self.first + len(self.rows)
