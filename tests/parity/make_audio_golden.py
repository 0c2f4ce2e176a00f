"""Makes golden/audio.npz: what transformers hears with the tiny encoders of `hearing`.

    PYTHONPATH=tests python tests/parity/make_audio_golden.py

Needs the extra `parity`, and the index for the recorded sentence.  For each length of a synthetic sound, and
for the sentence (``jfk``):

KIND_LENGTH_soft: f32 [n, 40], soft tokens; KIND is one of `CONFIGS`.
LENGTH_mels, LENGTH_mask: every 29th row of the spectrogram, f32, and all of its mask.
"""

from __future__ import annotations

from pathlib import Path

import audio_reference
import hearing
import numpy as np
import reference
from material import material

GOLDEN = Path(__file__).parent / "golden" / "audio.npz"


def make() -> Path:
    """Ask the reference; returns the golden's path."""
    sounds = {str(length): hearing.sound(length) for length in audio_reference.LENGTHS}
    sounds["jfk"] = audio_reference.speech(material(audio_reference.SENTENCE))
    arrays = {"made_with": np.array(reference.versions())}
    for kind, config in audio_reference.CONFIGS.items():
        asked = audio_reference.AudioReference(config)
        for name, waveform in sounds.items():
            if kind == "conformer":
                mels, mask = asked.features(waveform)
                arrays |= {f"{name}_mels": mels[:: audio_reference.EVERY], f"{name}_mask": mask}
            if kind == "conformer" or name in map(str, audio_reference.lengths(kind)):
                arrays[f"{kind}_{name}_soft"] = asked.soft(waveform)
            print(kind, name, asked.placeholders(waveform))
    np.savez_compressed(GOLDEN, **arrays)
    return GOLDEN


if __name__ == "__main__":
    print(make())
