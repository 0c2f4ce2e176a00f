"""Makes golden/audio.npz: what transformers hears with the tiny encoders of `hearing`.

    PYTHONPATH=tests python tests/parity/make_audio_golden.py

Needs the extra `parity`, and the index for the recorded sentence.  For each length of a synthetic sound, and
for the sentence (``jfk``):

KIND_LENGTH_soft: f32 [n, 40], soft tokens; KIND is one of `CONFIGS`.
LENGTH_mels, LENGTH_mask: every 29th row of the spectrogram, f32, and all of its mask.

And golden/audio-prompt-KIND.npz, of a whole model that is given text and two sounds:

config, shapes: its config.json, and the shapes of its tensors by name, as JSON; `hearing.drawn` draws them.
ids, logits: int32 [T], -1 where a soft token stands; f32 [T, V].
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import audio_reference
import hearing
import numpy as np
import reference
from material import material

GOLDEN = Path(__file__).parent / "golden" / "audio.npz"


def make_prompts() -> list[Path]:
    """Ask whole models; returns the goldens' paths."""
    made = []
    for kind in audio_reference.PROMPTED:
        asked = audio_reference.AudioReference(audio_reference.CONFIGS[kind])
        sounds = audio_reference.heard_in_prompt()
        ids = audio_reference.prompt([asked.placeholders(each) for each in sounds])
        with tempfile.TemporaryDirectory() as folder:
            config, shapes = asked.described(Path(folder))
        arrays = {
            "made_with": np.array(reference.versions()),
            "config": np.array(config),
            "shapes": np.array(shapes),
            "ids": ids,
            "logits": asked.logits(ids, sounds),
        }
        path = GOLDEN.with_name(f"audio-prompt-{kind}.npz")
        np.savez_compressed(path, **arrays)
        made.append(path)
    return made


def make() -> Path:
    """Ask encoders; returns the golden's path."""
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
    print(make(), *make_prompts())
