"""What turns pictures into soft tokens, as plain data: how they are resized, encoded and framed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reading = Literal["transformers", "google"]
"""Whose reading is followed where they disagree: transformers', or that of Google's JAX library."""


@dataclass(frozen=True, slots=True)
class PanAndScan:
    """When a long picture is also shown in crops.

    Attributes:
        ratio: of the long side to the short one from which on it is.
        most: crops of one picture at most.
        least_side: of a crop, in pixels; smaller ones are not made.
    """

    ratio: float = 1.2
    most: int = 4
    least_side: int = 256


@dataclass(frozen=True, slots=True)
class Square:
    """Every picture becomes a square of one size, whatever its aspect: as many tokens for each.

    Attributes:
        side: in pixels.
        mean, std: a pixel in 0…1 becomes (pixel - mean) / std; one for each colour.
        pan_and_scan: the crops that may be asked for.
    """

    side: int
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    pan_and_scan: PanAndScan = PanAndScan()


@dataclass(frozen=True, slots=True)
class Budget:
    """A picture keeps its aspect and is scaled, up or down, to fill a budget of soft tokens.

    Attributes:
        choices: the budgets that the model knows, rising.
        image: of a picture where none is asked for.
        frame: of a frame of a video where none is asked for.
    """

    choices: tuple[int, ...] = (70, 140, 280, 560, 1120)
    image: int = 280
    frame: int = 70


@dataclass(frozen=True, slots=True)
class Siglip:
    """A transformer with learned positions, layer norms and biases (arXiv 2303.15343).

    Attributes:
        layers, heads, ffw: how many layers; N and F of each.
    """

    layers: int
    heads: int
    ffw: int


@dataclass(frozen=True, slots=True)
class Axial:
    """A transformer over patches of any grid, with rotary positions along both axes.

    Attributes:
        layers, heads, head_dim, ffw: how many layers; N, H and F of each.
        theta: base of the rotary frequencies.
        positions: rows of the learned table of each axis.
        clipped: every product clips what goes in and what comes out.
        standardized: pooled features are shifted and scaled by learned numbers.
    """

    layers: int
    heads: int
    head_dim: int
    ffw: int
    theta: float = 100.0
    positions: int = 10_240
    clipped: bool = False
    standardized: bool = False


@dataclass(frozen=True, slots=True)
class Direct:
    """No encoder: patches are projected straight to the decoder's width.

    Attributes:
        positions: rows of the learned table of each axis.
        patch_norm_eps: of the layer norms before, between and after.
    """

    positions: int = 1120
    patch_norm_eps: float = 1e-5


@dataclass(frozen=True, slots=True)
class Marker:
    """A token of the vocabulary that has a meaning of its own: its text and its id."""

    text: str
    id: int


@dataclass(frozen=True, slots=True)
class Framing:
    """What stands around the soft tokens of a picture.

    Attributes:
        begin, end: the tokens right before and after.
        image: stands for each soft token of a picture.
        frame: stands for each soft token of a video's frame; None where the model knows no video, whose
            frames are then pictures.
        around: text before `begin` and after `end`.  It is tokenized together with its neighbours.
    """

    begin: Marker
    end: Marker
    image: Marker
    frame: Marker | None = None
    around: str = ""


@dataclass(frozen=True, slots=True)
class VisionSpec:
    """Everything about a model's sight.

    Attributes:
        patch: side of a patch, in pixels.
        pool: patches that make one soft token, along each axis.
        width: D of the encoder.
        text_width: D of the decoder, and so of the soft tokens.
        norm_eps: of the encoder's norms and the projector's.
        resize: what becomes of a picture's size.
        encoder: what is computed.
        framing: the tokens and the text around.
    """

    patch: int
    pool: int
    width: int
    text_width: int
    norm_eps: float
    resize: Square | Budget
    encoder: Siglip | Axial | Direct
    framing: Framing

    @property
    def unit(self) -> int:
        """Side of the square that one soft token sees, in pixels of the resized picture."""
        return self.patch * self.pool

    @property
    def patch_size(self) -> int:
        """Numbers in one patch: three colours a pixel."""
        return 3 * self.patch**2

    @property
    def merged(self) -> int:
        """Patches that one soft token is made of."""
        return self.pool**2
