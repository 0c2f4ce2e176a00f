"""How a model hears, as plain data: the front end, the encoder, and the tokens around what it heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reading = Literal["transformers", "google"]
"""How many keys `attention_context_left` = 13 means: transformers and llama.cpp let a token see 12 (itself
and 11 before it), Google's own library and mlx-vlm 13."""


SAMPLE_RATE = 16_000
"""Hz, of all sound that models are given."""


@dataclass(frozen=True, slots=True)
class MelSpec:
    """The spectrogram that an encoder reads.

    Attributes:
        bins: M, mel filters.
        frame, hop: samples of a frame, and from one frame to the next.
        fft: samples that a frame is padded to.
        high: Hz at which the filters end; they begin at 0.
        floor: added before the logarithm.
        multiple: a waveform is padded with silence to a multiple of this many samples.
    """

    bins: int = 128
    frame: int = 320
    hop: int = 160
    fft: int = 512
    high: float = 8000.0
    floor: float = 1e-3
    multiple: int = 128

    def frames(self, samples: int) -> int:
        """Frames of a sound that hold nothing but its samples and the half frame of silence before it.

        The reference looks at one sample more than a frame has, so one is needed behind each.
        """
        return max(0, (samples + self.frame // 2 - self.frame - 1) // self.hop + 1)


@dataclass(frozen=True, slots=True)
class ConformerSpec:
    """A causal conformer over a mel spectrogram (arXiv 2303.01037, as Gemma 4 has it).

    Attributes:
        mel: its front end.
        channels: of the two convolutions, each of which halves time and frequency.
        width: D.
        layers: how many.
        heads: N; each of D/N numbers.
        ffw: F of both feed-forward modules.
        out: width of its result, before the projection to the decoder's.
        chunk: queries of one block; the block before it is seen as well.
        reading: how far back a token sees.
        kernel: taps of the causal convolution over time.
        half: factor on the feed-forward modules' results.
        softcap: c in c·tanh(score/c).
        clipped: every linear layer clips its input and output to bounds of its own.
        eps: added to the mean square in the norms of convolutions and of the result.
    """

    mel: MelSpec
    channels: tuple[int, int] = (128, 32)
    width: int = 1024
    layers: int = 12
    heads: int = 8
    ffw: int = 4096
    out: int = 1536
    chunk: int = 12
    reading: Reading = "transformers"
    kernel: int = 5
    half: float = 0.5
    softcap: float = 50.0
    clipped: bool = True
    eps: float = 1e-6

    def __post_init__(self) -> None:
        assert self.width % self.heads == 0, "heads share the width equally"

    @property
    def keys(self) -> int:
        """Keys that a token sees, itself among them."""
        return self.chunk if self.reading == "transformers" else self.chunk + 1

    @property
    def bands(self) -> int:
        """Rows of frequency that the two convolutions leave."""
        return -(-self.mel.bins // 4)

    @property
    def samples_per_token(self) -> int:
        """Samples from one token to the next."""
        return 4 * self.mel.hop

    @property
    def lead(self) -> int:
        """Tokens at the beginning of a sound that would differ if something had gone before it."""
        # The first has silence for its first frame's past, and each layer looks so far back.
        return 1 + self.layers * (self.keys - 1 + self.kernel - 1)

    @property
    def tail(self) -> int:
        """Tokens at the end of a sound that would differ if it went on."""
        # The last frame of a stretch wants one sample from behind it.
        return 1

    def tokens(self, samples: int) -> int:
        """Soft tokens of a sound of this length."""
        return -(-self.mel.frames(samples) // 4)


@dataclass(frozen=True, slots=True)
class RawSpec:
    """No encoder: pieces of the waveform are projected as they are (Gemma 4 12B).

    Attributes:
        samples_per_token: of one piece; the last is filled up with silence.
        eps: added to the mean square in the norm of a piece.
    """

    samples_per_token: int = 640
    eps: float = 1e-6

    @property
    def lead(self) -> int:
        """None: a token depends on its own samples alone."""
        return 0

    @property
    def tail(self) -> int:
        """None: a token depends on its own samples alone."""
        return 0

    def tokens(self, samples: int) -> int:
        """Soft tokens of a sound of this length."""
        return -(-samples // self.samples_per_token)


@dataclass(frozen=True, slots=True)
class Marks:
    """Ids of the tokens around and in place of a sound's soft tokens.

    Attributes:
        begin: before them, ``<|audio>``.
        soft: stands for one of them, ``<|audio|>``.
        end: behind them, ``<audio|>``.
    """

    begin: int = 256_000
    soft: int = 258_881
    end: int = 258_883


@dataclass(frozen=True, slots=True)
class AudioSpec:
    """How a model hears.

    Attributes:
        encoder: what makes soft tokens of a waveform.
        text_width: D of the decoder that takes them.
        marks: the tokens around them.
        sample_rate: of the waveform, Hz.
        seconds: the longest stretch that is encoded at once; the model was trained on no longer ones.
    """

    encoder: ConformerSpec | RawSpec
    text_width: int
    marks: Marks = Marks()
    sample_rate: int = SAMPLE_RATE
    seconds: int = 30

    def __post_init__(self) -> None:
        assert self.sample_rate % self.encoder.samples_per_token == 0, "a second is a whole number of tokens"

    @property
    def tokens_per_second(self) -> int:
        """Soft tokens of a second."""
        return self.sample_rate // self.encoder.samples_per_token
