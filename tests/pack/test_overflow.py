"""Too many pictures become less before any text does, by rules that are said; nothing is cut in silence."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sensing
from hypothesis import given, settings
from hypothesis import strategies as st
from sensing import audio, document, image, text

from gemcli.errors import UsageError
from gemcli.events import Warning
from gemcli.pack.budget import budget
from gemcli.pack.overflow import Packer, pack
from gemcli.pack.pictures import with_budget
from gemcli.parts import Image, Text


def packed(documents, window, *, policy="auto", question="Why?", card=None):
    """What is sent; the answer has an eighth of the window."""
    card = card or sensing.everything()
    return pack(
        documents,
        question,
        Packer(card, ""),
        budget(window),
        policy=policy,
        pace=None,
        keep=False,
        counting=lambda done, total: None,
    )


def images(made, document=0):
    return [part for part in made.documents[document].parts if isinstance(part, Image)]


def test_what_fits_is_sent_as_it_is():
    made = packed([document("p.jpg", image()), document("a.mp3", audio(3))], 2000)
    assert (made.how, made.thinned, made.says) == ("none", (), "")
    assert made.prompt is not None
    assert made.tokens_read == made.given.total - made.given.overhead
    assert len(made.prompt.media) == 2


def test_pictures_become_coarser_until_all_fits():
    photos = [document(f"{n}.jpg", image(480, 480)) for n in range(4)]
    made = packed(photos, 1000)
    assert made.how == "thin"
    assert made.prompt is not None
    assert len(made.prompt.ids) <= 875
    assert [len(images(made, n)) for n in range(4)] == [1] * 4
    assert {each.what for each in made.thinned} == {"image tokens"}
    assert made.given.total > 1000
    assert "0.jpg: " in made.says
    assert f"read {made.tokens_read:,} of {made.given.total - made.given.overhead:,} tokens" in made.says
    # As many as need be: the others stay as they are.
    assert [slot.count for slot in made.prompt.media] == [121, 121, 256, 256]


def test_frames_become_fewer_evenly_and_the_text_stays_whole():
    frames = [image(480, 336, at=float(n)) for n in range(60)]
    words = text("The launch code is 7431. " * 20, at=70)
    made = packed([document("v.mp4", *frames, words)], 3000)
    assert made.how == "thin"
    kept = images(made)
    assert 16 <= len(kept) < 60
    assert made.documents[0].parts[-1] == words
    assert (kept[0], kept[-1]) == (frames[0], frames[-1])
    assert [(each.what, each.before, each.after) for each in made.thinned] == [("frames", 60, len(kept))]


def test_a_page_that_has_its_text_gives_up_its_image_first():
    pages = []
    for n in range(1, 6):
        pages += [text(f"Page {n} says much.", page=n), image(600, 800, page=n, role="page")]
    made = packed([document("a.pdf", *pages)], 800)
    assert made.how == "thin"
    assert images(made) == []
    assert len(made.documents[0].parts) == 5


def test_text_that_is_too_long_alone_is_chosen_from_and_pictures_keep_a_quarter():
    words = " ".join(f"Paragraph {n} is about apples and pears.\n\n" for n in range(400))
    made = packed(
        [document("a.txt", text(words)), document("p.jpg", image(480, 480))],
        4000,
        question="Which pears are in paragraph 311?",
    )
    assert made.how == "select"
    assert made.prompt is not None
    assert len(made.prompt.ids) <= 3500
    assert len(made.prompt.media) == 1
    assert made.prompt.media[0].source == "p.jpg"
    assert made.tokens_read <= made.prompt.costs.total
    assert "--overflow map" in made.says


def test_the_end_of_a_text_is_read_with_the_pictures_behind_it():
    words = "".join(f"Line {n} of many.\n" for n in range(1000))
    made = packed([document("a.pdf", text(words, page=1), image(480, 480, page=2))], 2000, policy="tail")
    assert made.how == "tail"
    assert made.prompt is not None
    assert [slot.place[1] for slot in made.prompt.media] == [1]
    last = made.documents[0].parts[0]
    assert isinstance(last, Text)
    assert last.text.endswith("Line 999 of many.\n")


@pytest.mark.parametrize("policy", ["error", "map"])
def test_other_rules_touch_no_picture(policy):
    made = packed([document("v.mp4", *(image(at=float(n)) for n in range(60)))], 1000, policy=policy)
    assert (made.how, made.prompt, made.thinned) == (policy, None, ())
    assert made.given.total > 1000


def test_sound_that_leaves_no_room_is_refused_with_the_numbers():
    words = "".join(f"Line {n} of many.\n" for n in range(1000))
    made = packed([document("a.mp3", audio(100)), document("a.txt", text(words))], 4000)
    assert (made.how, made.prompt) == ("error", None)
    assert made.given.of_document(0) > 2500
    assert len(made.documents) == 2


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=3),
    st.integers(0, 4),
    st.integers(0, 3000),
    st.integers(600, 6000),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_it_fits_and_what_is_missing_is_said(videos, photos, words, window, squares):
    card = sensing.Card(sensing.square()) if squares else sensing.everything()
    documents = [
        document(f"{n}.mp4", *(image(320, 180, at=float(at)) for at in range(count)))
        for n, count in enumerate(videos)
    ]
    documents += [document(f"{n}.jpg", image(500, 300)) for n in range(photos)]
    documents.append(document("a.txt", text("word " * words)))
    made = packed(documents, window, card=card)
    if made.prompt is None:
        assert made.how == "error"
        return
    assert len(made.prompt.ids) + window // 8 <= window
    pictures = sum(isinstance(part, Image) for each in documents for part in each.parts)
    sent = sum(isinstance(part, Image) for each in made.documents for part in each.parts)
    assert (made.how == "none") == (made.says == "")
    assert sent == len(made.prompt.media)
    if sent < pictures:
        assert sum(each.before - each.after for each in made.thinned if each.what != "image tokens") >= (
            pictures - sent
        )


def test_the_number_of_tokens_is_the_persons_choice():
    told = []
    documents = [document("a", image(), image(at=1.0), text("x"))]
    made = with_budget(documents, 560, "m", sensing.everything(), told.append)
    assert [getattr(part, "budget", "") for part in made[0].parts] == [560, None, ""]
    with pytest.raises(UsageError, match="m knows 70, 140, 280, 560, 1120"):
        with_budget(documents, 100, "m", sensing.everything(), told.append)
    with pytest.raises(UsageError, match="equally closely"):
        with_budget(documents, 280, "m", sensing.Card(sensing.square()), told.append)
    assert told == []
    assert with_budget(documents, 280, "m", sensing.Card(), told.append) == documents
    assert isinstance(told[0], Warning)


def test_a_picture_that_was_asked_for_finer_is_thinned_from_there():
    photo = replace(image(960, 960), budget=1120)
    made = packed([document("p.jpg", photo)], 1000)
    assert made.how == "thin"
    assert images(made)[0].budget == 560
    assert [(each.what, each.before > each.after) for each in made.thinned] == [("image tokens", True)]
