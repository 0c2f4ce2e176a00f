"""What is said in a recording, as timed text: Whisper through faster-whisper, window by window.

Sound of any length takes the same memory: it is gathered into windows of a few minutes, cut where it is
quietest, and each is written down before the next is read.  Whisper is shown the stretches where somebody
speaks, with the short pauses between them: it makes up words for silence and noise, and where pauses are cut
out, as its own filter does, it loses the times and sentences (a speech of 11 s said four times with pauses:
two segments that go round in circles, against eight that are right to a word).  What it repeats without end
is dropped.  Every finished window is kept on disk, so that an interrupted transcription goes on where it
stopped.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemcli.errors import GemcliError, UsageError
from gemcli.keep import Keep
from gemcli.parts import Audio

if TYPE_CHECKING:
    import numpy as np

VERSION = 1
"""To be raised when the same sound would give another text."""

INSTALL = 'pip install "gemcli[speech]"'

MODEL = "whisper-base"

RATE = 16_000
"""Samples in a second."""

WINDOW_S = 180
"""Seconds written down at once, at most."""

_SEARCH_S = 30  # at the window's end, where it may be cut
_QUIET_S = 0.3  # length of the silence that is looked for
_PAUSE_S = 4  # silence within a stretch of speech, at most
_STRETCH_S = 28  # a stretch with pauses, at most: what Whisper hears at once is 30 s
_CIRCLE = 2.8  # ratio by which a text that goes round in circles can be compressed
_SAME = 2  # times that one sentence may come again at once
_SURE = 0.5  # probability of a language that is kept for the rest


class MissingError(GemcliError):
    """faster-whisper is not installed."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence or so: `start` and `end` in seconds, and what is said."""

    start: float
    end: float
    text: str


def check_installed() -> None:
    """Raise MissingError where speech cannot be written down; loads nothing."""
    if importlib.util.find_spec("faster_whisper") is None:
        raise MissingError("speech recognition is not installed", INSTALL)


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that is said in a recording, and its language where it is known."""

    segments: tuple[Segment, ...]
    language: str | None


def recall(audio: Audio, *, keep: Keep, name: str, language: str | None) -> Transcript | None:
    """What was written down of a recording to its end; None where it was not.  Needs no model."""
    kept = keep.get(*_key(audio, name, language)) if audio.key else None
    if not kept or not kept["done"]:
        return None
    offset = audio.anchor.seconds[0] if audio.anchor.seconds else 0.0
    segments = (Segment(offset + start, offset + end, text) for start, end, text in kept["segments"])
    return Transcript(tuple(segments), language or kept["language"])


def _key(audio: Audio, name: str, language: str | None) -> tuple[object, ...]:
    return (audio.key, "whisper", VERSION, name, language)


class Listener:
    """A loaded Whisper.

    Args:
        folder: holds model.bin, config.json, tokenizer.json and vocabulary.txt; nothing is fetched.
        name: the model's name, for what is kept on disk.
        language: a code such as ``de``; None to hear which it is.

    Raises:
        MissingError: faster-whisper is not installed.
        UsageError: the model does not know the language.
        GemcliError: the model's files cannot be loaded.
    """

    def __init__(self, folder: Path, name: str, language: str | None = None) -> None:
        check_installed()
        import ctranslate2
        from faster_whisper import WhisperModel

        ctranslate2.set_random_seed(0)
        try:
            self._model: Any = WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=_threads(), local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise GemcliError(f"{name} cannot be loaded: {error}", f"Run: gemcli pull {name}") from error
        known: Sequence[str] = self._model.supported_languages
        if language is not None and language not in known:
            listed = ", ".join(known[:12]) + (" …" if len(known) > 12 else "")
            raise UsageError(f"{name} does not know the language {language!r}", f"It knows: {listed}")
        self.name = name
        self.language = language
        #: The language of what was heard last, where it is known.
        self.heard = language

    def listen(
        self, audio: Audio, *, keep: Keep, report: Callable[[float], None] = lambda done: None
    ) -> Iterator[Segment]:
        """Write down a recording; times are seconds of the file, not of its clip.

        Args:
            audio: the sound.
            keep: where finished windows are kept.
            report: told the seconds of `audio` that are done.

        Raises:
            InputError: the sound cannot be decoded.
        """
        offset = audio.anchor.seconds[0] if audio.anchor.seconds else 0.0
        key = _key(audio, self.name, self.language)
        kept = keep.get(*key) if audio.key else None  # what an earlier run had finished when it was stopped
        kept = kept or {"at": 0, "done": False, "language": None, "segments": []}
        for start, end, text in kept["segments"]:
            yield Segment(offset + start, offset + end, text)
        report(kept["at"] / RATE)
        language = self.language or kept["language"]
        self.heard = language
        found: list[list[Any]] = list(kept["segments"])
        recent: list[str] = [each[2] for each in found[-_SAME:]]
        at = kept["at"]
        for window in windows(_without(audio.samples(), at)):
            sound = at / RATE
            for segment, sure in self._hear(window, language):
                self.heard = language = language or sure
                report(sound + segment.end)
                if _repeats(segment.text, recent):
                    continue
                recent = [*recent, segment.text][-_SAME:]
                found.append([round(sound + segment.start, 3), round(sound + segment.end, 3), segment.text])
                yield Segment(offset + found[-1][0], offset + found[-1][1], segment.text)
            at += len(window)
            report(at / RATE)
            if audio.key:
                keep.put({"at": at, "done": False, "language": language, "segments": found}, *key)
        if audio.key:
            keep.put({"at": at, "done": True, "language": language, "segments": found}, *key)

    def _hear(self, window: np.ndarray, language: str | None) -> Iterator[tuple[Segment, str | None]]:
        """The segments of a window with times in it, and the language where Whisper is sure of it."""
        spoken = stretches(window)
        if not spoken:
            return
        segments, about = self._model.transcribe(
            window,
            language=language,
            beam_size=1,
            temperature=(0.0, 0.4),
            compression_ratio_threshold=_CIRCLE,
            condition_on_previous_text=False,
            clip_timestamps=[time for stretch in spoken for time in stretch],
        )
        sure = about.language if about.language_probability >= _SURE else None
        length = len(window) / RATE
        last = 0.0
        for each in segments:
            text = " ".join(each.text.split())
            start = min(max(each.start, last), length)
            end = min(max(each.end, start), length)
            if text and any(map(str.isalnum, text)):
                last = end
                yield Segment(start, end, text), sure


def stretches(window: np.ndarray) -> list[list[float]]:
    """Start and end, in seconds, of the stretches in which somebody speaks, with their short pauses."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    found: list[list[float]] = []
    options = VadOptions(min_silence_duration_ms=500, speech_pad_ms=200)
    for each in get_speech_timestamps(window, options, sampling_rate=RATE):
        start, end = each["start"] / RATE, each["end"] / RATE
        if found and start - found[-1][1] < _PAUSE_S and end - found[-1][0] <= _STRETCH_S:
            found[-1][1] = end
        else:
            found.append([start, end])
    return found


def windows(blocks: Iterator[np.ndarray], most: int = WINDOW_S * RATE) -> Iterator[np.ndarray]:
    """Blocks of samples as windows of at most `most`, cut where it is quietest near their end.

    Memory: a window and a block.
    """
    import numpy as np

    held: list[np.ndarray] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += len(block)
        while size > most:
            joined = np.concatenate(held)
            cut = _quietest(joined[:most])
            yield joined[:cut]
            held, size = [joined[cut:]], size - cut
    if size:
        yield np.concatenate(held)


def _quietest(sound: np.ndarray) -> int:
    """The sample in the last `_SEARCH_S` around which it is quietest; the last of equals."""
    import numpy as np

    span = int(_QUIET_S * RATE)
    first = max(0, len(sound) - _SEARCH_S * RATE)
    count = (len(sound) - first) // span
    if count < 2:
        return len(sound)
    frames = sound[len(sound) - count * span :].reshape(count, span)
    power = np.square(frames).mean(axis=1)
    place = count - 1 - int(np.argmin(power[::-1]))
    return len(sound) - count * span + place * span + span // 2


def _without(blocks: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The blocks without their first `count` samples."""
    for block in blocks:
        if count >= len(block):
            count -= len(block)
            continue
        yield block[count:]
        count = 0


def _repeats(text: str, recent: Sequence[str]) -> bool:
    """Whether Whisper goes round in a circle."""
    return len(recent) >= _SAME and all(each.casefold() == text.casefold() for each in recent)


def _threads() -> int:
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        count = os.cpu_count() or 1
    return max(1, min(count, 8))


def passages(segments: Sequence[Segment], least: float = 15.0, most: float = 30.0) -> list[Segment]:
    """Segments joined into passages of `least` to `most` seconds that end with a sentence or before a pause.

    A long pause ends a passage however short it is.
    """
    made: list[Segment] = []
    held: list[Segment] = []

    def close() -> None:
        if held:
            made.append(Segment(held[0].start, held[-1].end, " ".join(each.text for each in held)))
            held.clear()

    for each in segments:
        if held:
            long = each.end - held[0].start > most
            enough = held[-1].end - held[0].start >= least
            ended = held[-1].text.endswith((".", "!", "?", "…", "。", "！", "？"))
            pause = each.start - held[-1].end
            if long or pause > _PAUSE_S or (enough and (ended or pause > 2.0)):
                close()
        held.append(each)
    close()
    return made
