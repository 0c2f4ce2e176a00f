"""What a sound costs is known from its length."""

from __future__ import annotations

import pytest

from model.audio.cost import prompt_tokens, samples_of, soft_tokens
from model.audio.framing import framed
from model.audio.spec import AudioSpec, ConformerSpec, MelSpec, RawSpec
from model.audio.windows import windows

E4B = AudioSpec(ConformerSpec(MelSpec()), 2560)
UNIFIED = AudioSpec(RawSpec(), 3840)


@pytest.mark.parametrize(
    ("samples", "mel", "raw"),
    [
        (0, 0, 0),
        (160, 0, 1),
        (161, 1, 1),
        (641, 1, 2),
        (16_000, 25, 25),
        (480_000, 750, 750),
        (960_000, 1500, 1500),
    ],
)
def test_soft_tokens(samples: int, mel: int, raw: int):
    assert soft_tokens(E4B, samples) == mel
    assert soft_tokens(UNIFIED, samples) == raw


@pytest.mark.parametrize("spec", [E4B, UNIFIED], ids=["conformer", "raw"])
@pytest.mark.parametrize("samples", [0, 16_000, 480_000, 480_001, 16_000 * 6002 + 7])
def test_a_prompt_holds_as_many_tokens_as_were_counted(spec: AudioSpec, samples: int):
    """With one token for every character of a stamp and of the spaces around it but the first."""
    pieces = list(framed(spec.marks, windows(spec, samples)))
    counted = prompt_tokens(spec, samples)
    assert counted - 1 <= sum(len(piece) for piece in pieces) <= counted


def test_seconds_become_samples():
    assert samples_of(E4B, 1.0) == 16_000
    assert samples_of(E4B, 0.00001) == 1
    assert samples_of(E4B, 0) == 0
