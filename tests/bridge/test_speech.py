"""Speech as timed text: true words, times of the file, nothing for silence, any length, resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import srt

from gemcli.bridge import speech
from gemcli.bridge.cues import written
from gemcli.bridge.speech import RATE, Listener, Segment, passages, windows
from gemcli.errors import GemcliError, InputError, UsageError
from gemcli.keep import Keep
from gemcli.parts import Anchor, Audio
from tests.bridge.conftest import JFK, audio_part, wrong_words

OFF = Keep("speech", on=False)


def sine(seconds: float, seed: int = 0) -> np.ndarray:
    return (np.sin(np.arange(int(seconds * RATE)) * (0.1 + seed)) * 0.3).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE), np.float32)


class Heard:
    """Stands for Whisper: says how long each window is, and remembers what it was given."""

    supported_languages = ("en", "de")

    def __init__(self, says: Callable[[int], list[tuple[float, float, str]]] | None = None) -> None:
        self.windows: list[int] = []
        self.languages: list[str | None] = []
        self.says = says or (lambda number: [(0.0, 1.0, f" Window {number}. ")])

    def transcribe(self, window: np.ndarray, **options: Any) -> tuple[Iterator[Any], Any]:
        self.windows.append(len(window))
        self.languages.append(options["language"])
        rows = self.says(len(self.windows))
        found = (SimpleNamespace(start=start, end=end, text=text) for start, end, text in rows)
        return found, SimpleNamespace(language="de", language_probability=0.9)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    """A `Listener` whose model is a `Heard`, and for which somebody speaks all the time."""
    monkeypatch.setattr(speech, "stretches", lambda window: [[0.0, len(window) / RATE]])
    made = object.__new__(Listener)
    made._model = Heard()
    made.name, made.language, made.heard = "test", None, None
    return made


def test_windows_lose_nothing_and_are_cut_where_it_is_quiet() -> None:
    sound = np.concatenate([sine(170), silence(1), sine(170), silence(1), sine(60)])
    blocks = [sound[at : at + 12_345] for at in range(0, len(sound), 12_345)]
    made = list(windows(iter(blocks)))
    assert np.array_equal(np.concatenate(made), sound)
    cuts = np.cumsum([len(each) for each in made])[:-1] / RATE
    assert len(cuts) == 2
    assert 170 < cuts[0] < 171
    assert 341 < cuts[1] < 342
    assert max(map(len, made)) <= speech.WINDOW_S * RATE


def test_windows_of_constant_sound_are_full() -> None:
    made = list(windows(iter([np.ones(1_000, np.float32)] * 25), most=10_000))
    assert sum(map(len, made)) == 25_000
    assert max(map(len, made)) <= 10_000
    assert list(windows(iter([]))) == []


def test_times_are_those_of_the_file(listener: Listener) -> None:
    found = list(listener.listen(audio_part(sine(400), start=60.0), keep=OFF))
    lengths = np.cumsum([0, *listener._model.windows[:-1]]) / RATE
    assert [each.start for each in found] == [pytest.approx(60 + at, abs=0.001) for at in lengths]
    assert [each.text for each in found] == ["Window 1.", "Window 2.", "Window 3."]


def test_the_language_that_was_heard_once_holds(listener: Listener) -> None:
    list(listener.listen(audio_part(sine(200)), keep=OFF))
    assert listener._model.languages == [None, "de"]
    assert listener.heard == "de"


def test_what_goes_round_in_a_circle_is_dropped(listener: Listener) -> None:
    listener._model = Heard(lambda number: [(at, at + 1.0, "Thank you.") for at in range(9)])
    found = list(listener.listen(audio_part(sine(10)), keep=OFF))
    assert [each.text for each in found] == ["Thank you."] * 2


def test_times_of_a_window_stay_in_it_and_rise(listener: Listener) -> None:
    listener._model = Heard(lambda number: [(3.0, 2.0, "a"), (1.0, 99.0, "b"), (5.0, 6.0, " . ")])
    found = list(listener.listen(audio_part(sine(10)), keep=OFF))
    assert found == [Segment(3.0, 3.0, "a"), Segment(3.0, 10.0, "b")]


def test_an_interrupted_transcription_goes_on(listener: Listener, home: Path) -> None:
    keep = Keep("speech")
    audio = audio_part(sine(400), key="the sound")
    first = listener.listen(audio, keep=keep)
    begun = [next(first), next(first)]
    first.close()
    assert speech.recall(audio, keep=keep, name="test", language=None) is None
    listener._model = Heard(lambda number: [(0.0, 1.0, f"Later {number}.")])
    done: list[float] = []
    found = list(listener.listen(audio, keep=keep, report=done.append))
    assert [each.text for each in found] == ["Window 1.", "Later 1.", "Later 2."]
    assert found[0] == begun[0]
    assert done[-1] == pytest.approx(400)
    assert done == sorted(done)
    kept = speech.recall(audio, keep=keep, name="test", language=None)
    assert kept is not None
    assert list(kept.segments) == found
    assert kept.language == "de"
    assert speech.recall(audio, keep=keep, name="test", language="en") is None


def test_memory_is_that_of_a_window(listener: Listener) -> None:
    import tracemalloc

    def samples() -> Iterator[np.ndarray]:
        for _ in range(120):
            yield np.full(30 * RATE, 0.1, np.float32)

    hour = Audio(3600, samples, Anchor(seconds=(0.0, 3600.0)))
    tracemalloc.start()
    count = sum(1 for _ in listener.listen(hour, keep=OFF))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == len(listener._model.windows) >= 20
    assert peak < 60e6


def test_sound_that_breaks_off_gives_what_was_before(listener: Listener) -> None:
    def samples() -> Iterator[np.ndarray]:
        yield sine(200)
        raise InputError("it is damaged at 200 s")

    listening = listener.listen(Audio(400, samples), keep=OFF)
    assert next(listening).text == "Window 1."
    with pytest.raises(InputError, match="damaged"):
        list(listening)


def test_passages_end_with_a_sentence_or_before_a_pause() -> None:
    said = [Segment(at, at + 4.0, f"Part {at}" + ("." if at % 8 == 4 else ",")) for at in range(0, 60, 4)]
    made = passages(said)
    assert " ".join(each.text for each in made) == " ".join(each.text for each in said)
    assert all(each.text.endswith(".") for each in made[:-1])
    assert all(15 <= each.end - each.start <= 30 for each in made[:-1])
    far = passages([Segment(0, 16, "no stop"), Segment(30, 31, "after a pause")])
    assert [each.text for each in far] == ["no stop", "after a pause"]
    assert passages([]) == []


def test_without_the_extra_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(speech.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(speech.MissingError) as caught:
        Listener(tmp_path, "whisper-base")
    assert caught.value.hint == 'pip install "gemcli[speech]"'


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(GemcliError, match="whisper-base cannot be loaded"):
        Listener(tmp_path, "whisper-base")


@pytest.fixture(scope="module")
def whisper(weights: Callable[[str], Path]) -> Listener:
    return Listener(weights("whisper-base").parent, "whisper-base")


@pytest.mark.weights
def test_real_speech(whisper: Listener, jfk: np.ndarray) -> None:
    found = list(whisper.listen(audio_part(jfk, start=100.0), keep=OFF))
    assert wrong_words(JFK, " ".join(each.text for each in found)) <= 0.05
    assert whisper.heard == "en"
    assert 100 <= found[0].start < 101
    assert 110 < found[-1].end <= 111


@pytest.mark.weights
def test_silence_noise_and_a_tone_say_nothing(whisper: Listener) -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, 20 * RATE).astype(np.float32)
    for sound in (silence(20), noise, sine(20)):
        assert list(whisper.listen(audio_part(sound), keep=OFF)) == []


@pytest.mark.weights
def test_the_model_knows_its_languages(weights: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="does not know the language 'klingon'"):
        Listener(weights("whisper-base").parent, "whisper-base", "klingon")


@pytest.mark.weights
@pytest.mark.slow
def test_ten_minutes_as_subtitles(whisper: Listener, jfk: np.ndarray) -> None:
    random = np.random.default_rng(0)
    parts, said, length = [], [], 0
    while length < 600 * RATE:
        pause = random.normal(0, 0.002, int(RATE * random.uniform(1, 8))).astype(np.float32)
        parts += [jfk, pause]
        said.append(length / RATE)
        length += len(jfk) + len(pause)
    found = list(whisper.listen(audio_part(np.concatenate(parts)), keep=OFF))
    text = " ".join(each.text for each in found)
    assert wrong_words(" ".join([JFK] * len(said)), text) <= 0.05
    cues = list(srt.parse(written(found, "srt"), ignore_errors=False))
    assert all(one.end <= other.start for one, other in pairwise(cues))
    assert all(each.start < each.end for each in cues)
    assert cues[-1].end.total_seconds() <= length / RATE
    starts = np.array([each.start for each in found])
    assert max(np.abs(starts - at).min() for at in said) < 2.5
