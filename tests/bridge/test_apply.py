"""What a model cannot take becomes text with the same anchors, or an honest note; what it can take stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gemcli.bridge import apply, ocr, pictures, sound, speech
from gemcli.bridge.speech import Segment
from gemcli.errors import InputError, ModelUnavailableError
from gemcli.parts import Anchor, Audio, Document, Image, Part, Text
from tests.bridge.conftest import JFK, Events, audio_part, document, drawn, image_part, wrong, wrong_words

LINE = "The launch code is 7431, says the sign."


def bridged(events: Events, *documents: Document, **options: Any) -> list[Document]:
    given: dict[str, Any] = {
        "senses": frozenset[str](), "ocr": False, "offline": True, "keep": True, "max_frames": None,
    }  # fmt: skip
    return apply.bridge(documents, emit=events, **(given | options))


def frames(texts: list[str]) -> list[Image]:
    """A frame every two seconds that shows a text."""
    return [
        image_part(
            drawn([text], (640, 360), 60),
            f"frame {at}",
            anchor=Anchor(seconds=(2.0 * at, 2.0 * at)),
            role="frame",
        )
        for at, text in enumerate(texts)
    ]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set what is heard in every recording."""

    class Listener:
        heard = "en"

        def __init__(self, segments: list[Segment], failure: Exception | None) -> None:
            self.segments = segments
            self.failure = failure

        def listen(self, audio: Audio, *, keep: object, report: Callable[[float], None]):
            report(audio.seconds / 2)
            yield from self.segments
            if self.failure:
                raise self.failure

    def set_(*segments: Segment, failure: Exception | None = None) -> None:
        monkeypatch.setattr(sound.Sound, "ready", lambda self: Listener(list(segments), failure))

    return set_


def test_what_the_model_can_take_stays(events: Events) -> None:
    both = document(image_part(drawn([LINE])), audio_part(np.zeros(100, np.float32)), Text("hello"))
    assert bridged(events, both, senses=frozenset(("image", "audio"))) == [both]
    assert events == []


def test_a_picture_becomes_its_text(events: Events) -> None:
    anchor = Anchor(page=3)
    (made,) = bridged(
        events, document(Text("before"), image_part(drawn([LINE]), anchor=anchor), Text("after"))
    )
    before, read, after = made.parts
    assert isinstance(read, Text)
    assert (read.anchor, read.via) == (anchor, "ocr")
    assert wrong(LINE, read.text) <= 0.03
    assert (before, after) == (Text("before"), Text("after"))
    assert events.done("ocr")[-1] == (1, 1, "pages")
    assert "unseen" not in made.meta


def test_a_picture_without_text_leaves_a_note(events: Events) -> None:
    blank = image_part(drawn([], (512, 256)), alt="our  house")
    (made,) = bridged(events, document(blank))
    (note,) = made.parts
    assert note == Text(
        "(picture: our house, 512×256 pixels; no text in it; this model cannot see pictures)", via="note"
    )
    assert made.meta["unseen"] is True


def test_ocr_on_request_reads_what_has_text_and_leaves_the_rest_to_be_seen(events: Events) -> None:
    blank = image_part(drawn([]))
    (made,) = bridged(
        events, document(image_part(drawn([LINE])), blank), senses=frozenset(("image",)), ocr=True
    )
    assert isinstance(made.parts[0], Text)
    assert made.parts[1] is blank


def test_a_page_with_its_own_text_is_not_read_again(events: Events) -> None:
    def page(number: int) -> Image:
        return image_part(drawn([LINE]), anchor=Anchor(page=number), role="page")

    parts = (Text("own text " * 20, Anchor(page=1)), page(1), Text("little", Anchor(page=2)), page(2))
    (made,) = bridged(events, document(*parts))
    assert [(part.anchor.page, part.via) for part in made.parts if isinstance(part, Text)] == [
        (1, ""), (2, ""), (2, "ocr"),
    ]  # fmt: skip
    assert any("the pictures of 1 page are left out" in each for each in made.warnings)
    (made,) = bridged(Events(), document(*parts), ocr=True)
    assert [part.via for part in made.parts if isinstance(part, Text)] == ["", "ocr", "", "ocr"]


def test_a_picture_that_is_damaged_is_said(events: Events) -> None:
    def broken() -> Any:
        raise InputError("page 4: the picture is cut short")

    (made,) = bridged(events, document(Image(10, 20, broken, Anchor(page=4)), Text("the rest")))
    assert made.warnings == ("p.4: a picture cannot be read: page 4: the picture is cut short",)
    assert "cut short" in made.parts[0].text  # type: ignore[union-attr]
    assert "a.bin: p.4: a picture cannot be read: page 4: the picture is cut short" in events.warnings
    assert "unseen" not in made.meta


def test_text_is_kept_by_the_pictures_key(events: Events) -> None:
    first = bridged(events, document(image_part(drawn([LINE]), "a key")))

    def never() -> Any:
        raise AssertionError("it is kept")

    again = document(Image(900, 400, never, key="a key"))
    assert bridged(events, again)[0].parts == first[0].parts
    with pytest.raises(AssertionError, match="it is kept"):
        bridged(events, again, keep=False)


def test_frames_say_a_text_once_and_where_it_begins(events: Events) -> None:
    texts = ["Chapter one", "Chapter one", "", "The second chapter", "The second chapter"]
    (made,) = bridged(events, document(*frames(texts), media_type="video/mp4"))
    found = [(part.anchor.seconds, part.text) for part in made.parts if isinstance(part, Text)]
    assert [at for at, _ in found] == [(0.0, 0.0), (6.0, 6.0)]
    assert wrong("Chapter one The second chapter", " ".join(text for _, text in found)) <= 0.05
    assert len(made.parts) == 2


def test_of_many_frames_some_are_read_and_it_is_said(events: Events) -> None:
    many = frames([name for name in ("Apple pie", "Old castle", "Hot engine") for _ in range(3)])
    (made,) = bridged(events, document(*many), max_frames=3)
    assert [part.anchor.seconds for part in made.parts] == [(0.0, 0.0), (6.0, 6.0), (12.0, 12.0)]
    assert any("3 of 9 frames" in each for each in made.warnings)
    assert events.done("ocr")[-1][:2] == (3, 3)


def test_frames_without_text_are_one_note(events: Events) -> None:
    (made,) = bridged(events, document(*frames(["", "", ""])))
    (note,) = made.parts
    assert isinstance(note, Text)
    assert note.text.startswith("(3 frames of a video, 640×360 pixels; no text in them; this model")
    assert note.anchor.seconds == (0.0, 4.0)
    assert made.meta["unseen"] is True


def test_speech_and_frames_stand_in_the_order_of_time(events: Events, says: Callable[..., None]) -> None:
    says(
        Segment(0.0, 4.5, "First words."), Segment(5.0, 9.0, "Then a pause."), Segment(20.0, 22.0, "At last.")
    )
    parts: list[Part] = [Text("title"), audio_part(np.zeros(16_000 * 24, np.float32))]
    (made,) = bridged(events, document(*parts, *frames(["", "Results", ""]), Text("end")))
    texts = [(part.text, part.via) for part in made.parts if isinstance(part, Text)]
    assert texts == [
        ("title", ""),
        ("First words. Then a pause.", "speech"),
        ("Results", "ocr"),
        ("At last.", "speech"),
        ("end", ""),
    ]
    assert [part.anchor.seconds for part in made.parts][1] == (0.0, 9.0)
    assert events.done("transcribe")[-1] == (24, 24, "seconds")


def test_a_model_that_sees_gets_frames_and_words_in_the_order_of_time(
    events: Events, says: Callable[..., None]
) -> None:
    says(Segment(1.0, 3.0, "Words."))
    shown = frames(["a", "b"])
    (made,) = bridged(
        events, document(audio_part(np.zeros(16_000 * 4, np.float32)), *shown), senses=frozenset(("image",))
    )
    assert [getattr(part, "text", "frame") for part in made.parts] == ["frame", "Words.", "frame"]


def test_a_recording_without_speech_leaves_a_note(events: Events, says: Callable[..., None]) -> None:
    says()
    (made,) = bridged(events, document(audio_part(np.zeros(16_000 * 150, np.float32))))
    assert made.parts == (
        Text(
            "(recording, 2 min 30 s; no speech in it; this model cannot hear)",
            Anchor(seconds=(0.0, 150.0)),
            via="note",
        ),
    )
    assert made.meta["unseen"] is True


def test_sound_that_breaks_off_is_said(events: Events, says: Callable[..., None]) -> None:
    says(Segment(0.0, 7.0, "Until here."), failure=InputError("its data is damaged"))
    (made,) = bridged(events, document(audio_part(np.zeros(16_000 * 20, np.float32))))
    assert [part.text for part in made.parts if isinstance(part, Text)] == ["Until here."]
    assert made.warnings == ("what is said after 7 s is lost: its data is damaged",)


def test_without_the_extras_notes_and_one_warning_each(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr.importlib.util, "find_spec", lambda name: None)
    heard = audio_part(np.zeros(16_000, np.float32))
    made = bridged(
        events,
        document(image_part(drawn([LINE])), image_part(drawn([LINE]))),
        document(*frames(["x"]), heard),
    )
    assert all(each.meta["unseen"] for each in made)
    assert all(isinstance(part, Text) and part.via == "note" for each in made for part in each.parts)
    assert [each for each in events.warnings if "gemcli[ocr]" in each] == [
        'the text in pictures is not read: OCR is not installed; pip install "gemcli[ocr]"'
    ]
    assert [each for each in events.warnings if "gemcli[speech]" in each] == [
        "what is said in recordings is not written down: speech recognition is not installed; "
        'pip install "gemcli[speech]"'
    ]
    assert len(events.warnings) == 2


def test_a_missing_speech_model_is_a_clear_error_offline(events: Events) -> None:
    with pytest.raises(ModelUnavailableError, match="whisper-base is not installed, and --offline") as caught:
        bridged(events, document(audio_part(np.zeros(16_000, np.float32))))
    assert "gemcli pull whisper-base" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [
        ("Chapter 1: the be-ginning", "chapter 1 the beginning", True),
        ("Chapter 1 the beginning", "Chapter 2 the middle", False),
        ("", "", True),
        ("", "x", False),
    ],
)
def test_two_readings_that_say_the_same(one: str, other: str, are: bool) -> None:
    assert pictures.same(one, other) is are


@pytest.mark.weights
def test_a_real_recording(
    events: Events, weights: Callable[[str], Path], jfk: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMCLI_MODELS", str(weights("whisper-base").parents[1]))
    given = document(audio_part(jfk, "jfk"), media_type="audio/wav")
    (made,) = bridged(events, given)
    assert wrong_words(JFK, " ".join(part.text for part in made.parts if isinstance(part, Text))) <= 0.05
    monkeypatch.setattr(speech, "check_installed", lambda: pytest.fail("it is kept"))
    assert bridged(events, given)[0].parts == made.parts
