"""A sound's place in a prompt: marks around its soft tokens, and the time at which each window begins.

Source: processing_gemma4.py of transformers (`replace_audio_token`; stamps as `replace_video_token` writes
them, since the reference knows no sound of several windows).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from model.audio.spec import Marks
from model.audio.windows import Window


def stamp(second: float) -> str:
    """A time as the model reads it: minutes and seconds, ``MM:SS``; minutes go on beyond 59."""
    return f"{int(second // 60):02d}:{int(second % 60):02d}"


def marked(marks: Marks, tokens: int) -> list[int]:
    """Ids of so many soft tokens between their marks."""
    return [marks.begin, *[marks.soft] * tokens, marks.end]


def framed(marks: Marks, windows: Sequence[Window], *, offset: float = 0.0) -> Iterator[str | list[int]]:
    """A sound for a prompt: text to be tokenized, and ids, in turn.

    A sound of one window that begins at 0 is its marks and soft tokens alone, as in the reference; else each
    window has its time before it, joined by spaces.

    Args:
        marks: the model's.
        windows: of the sound.
        offset: the second of the recording at which the sound begins.
    """
    timed = len(windows) > 1 or offset > 0
    for number, window in enumerate(windows):
        if timed:
            yield f"{' ' if number else ''}{stamp(offset + window.start)} "
        yield marked(marks, window.keep)
