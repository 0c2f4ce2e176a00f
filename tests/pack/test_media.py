"""Pictures and sound have their places in a prompt: framed as the model knows them, counted to the token."""

from __future__ import annotations

import pytest
import sensing
from hypothesis import given, settings
from hypothesis import strategies as st
from sensing import Tokenizer, audio, document, image, text

from gemcli.pack.assemble import assemble
from gemcli.pack.media import TOO_SHORT, Media
from gemcli.pack.tally import tally
from gemcli.parts import Text
from gemcli.turns import Turn
from model.errors import UnsupportedModelError

PART = st.one_of(
    st.builds(text, st.text(max_size=30) | st.just("<|image|><image|>"), page=st.integers(1, 9)),
    st.builds(image, st.integers(1, 400), st.integers(1, 400), page=st.integers(1, 9)),
    st.builds(image, st.just(320), st.just(180), at=st.integers(0, 4000).map(float)),
    st.builds(audio, st.floats(0.001, 95.0), start=st.integers(0, 4000).map(float)),
)
DOCUMENTS = st.lists(
    st.builds(lambda name, parts: document(name, *parts), st.sampled_from("ab"), st.lists(PART, max_size=5)),
    min_size=1,
    max_size=3,
)


def packed(documents, card, question="Why?"):
    return assemble(
        documents,
        question,
        system="",
        template=card.template,
        tokenizer=card.tokenizer,
        media=Media(card),
    )


def shown(documents, card=None):
    """What the user's turn looks like."""
    card = card or sensing.everything()
    whole = card.tokenizer.shown(packed(documents, card).ids)
    return whole.removeprefix("user\n").removesuffix("Question: Why?\nassistant\n")


def test_a_picture_stands_between_its_marks_behind_its_anchor():
    # 480×336 pixels fill ten by seven units of 48: 70 tokens; as a picture it is enlarged to four times that.
    found = shown([document("d/a.pdf", text("See:", page=2), image(480, 336, page=3), text("So.", page=4))])
    assert found == (
        "Document: d/a.pdf\n[a.pdf p.2]\nSee:\n\n[a.pdf p.3]\n<|image>280<image|>\n\n[a.pdf p.4]\nSo.\n\n"
    )


def test_a_photo_alone_has_no_anchor():
    assert shown([document("p.jpg", image(480, 336))]) == "Document: p.jpg\n<|image>280<image|>\n\n"


def test_blank_lines_around_a_picture_are_the_models_own():
    card = sensing.Card(sensing.square())
    found = shown([document("a.pdf", image(page=1), image(page=2))], card)
    one = "\n\n<start_of_image>4<end_of_image>\n\n"
    assert found == f"Document: a.pdf\n[a.pdf p.1]{one}[a.pdf p.2]{one}"
    found = shown([document("p.jpg", image(), image())], card)
    assert found == f"Document: p.jpg{one}{one.lstrip()}"


def test_frames_go_on_after_one_another_with_their_times():
    frames = [image(480, 336, at=float(second)) for second in (0, 1, 62.9)]
    found = shown([document("v.mp4", *frames[:2], text("hello", at=30), frames[2])])
    assert found == (
        "Document: v.mp4\n[v.mp4 00:00:00]\n00:00 <|image>70<image|> 00:01 <|image>70<image|>\n\n"
        "[v.mp4 00:00:30]\nhello\n\n[v.mp4 00:01:02]\n01:02 <|image>70<image|>\n\n"
    )


def test_sound_is_framed_window_by_window_with_its_times():
    found = shown([document("a.mp3", audio(2)), document("b.mp3", audio(75.5, start=600))])
    assert found == (
        "Document: a.mp3\n[a.mp3 00:00:00]\n<|audio>50<audio|>\n\n"
        "Document: b.mp3\n[b.mp3 00:10:00]\n10:00 <|audio>750<audio|> 10:30 <|audio>750<audio|> "
        "11:00 <|audio>388<audio|>\n\n"
    )


def test_a_sound_without_a_token_leaves_a_word():
    spec = sensing.hearing()
    card = sensing.Card(audio=spec)
    found = shown([document("a.mp3", audio(0.0))], card)
    assert TOO_SHORT in found


def test_slots_are_where_the_soft_tokens_go():
    card = sensing.everything()
    parts = (text("t", page=1), image(480, 336, page=1), audio(40), image(480, 336, at=3.0))
    prompt = packed([document("a", *parts)], card)
    assert [(slot.place, slot.part, slot.count) for slot in prompt.media] == [
        ((0, 1), parts[1], 280),
        ((0, 2), parts[2], 750),
        ((0, 2), parts[2], 250),
        ((0, 3), parts[3], 70),
    ]
    marks = [sensing.MARKS[each] for each in ("<|image|>", "<|audio|>", "<|audio|>", "<|video|>")]
    for slot, mark in zip(prompt.media, marks, strict=True):
        run = prompt.ids[slot.first : slot.first + slot.count]
        assert set(run) == {mark}
        assert prompt.ids[slot.first - 1] != mark
        assert prompt.ids[slot.first + slot.count] != mark


@given(DOCUMENTS, st.booleans(), st.booleans())
@settings(max_examples=120, deadline=None)
def test_counts_add_up_and_are_known_without_the_prompt(documents, squares, adds_bos):
    vision = sensing.square() if squares else sensing.budgeted()
    card = sensing.Card(vision, sensing.hearing(10), tokenizer=Tokenizer(add_bos=adds_bos))
    prompt = packed(documents, card)
    costs = prompt.costs
    assert costs.total == len(prompt.ids)
    assert costs.overhead + sum(map(costs.of_document, range(len(documents)))) == costs.total
    soft = [0] * len(prompt.ids)
    for slot in prompt.media:
        soft[slot.first : slot.first + slot.count] = [1] * slot.count
    marks = [id for id in prompt.ids if id in sensing.NAMES]
    assert len(marks) == sum(soft) + 2 * len(prompt.media), "text never becomes a mark"
    # The parts that a line break ends, as they do, are counted alike one by one.
    ended = [
        document(
            each.source,
            *(Text(f"x{part.text}", part.anchor) if isinstance(part, Text) else part for part in each.parts),
        )
        for each in documents
    ]
    options = {"system": "", "template": card.template, "tokenizer": card.tokenizer, "media": Media(card)}
    sent = assemble(ended, "Why?", **options).costs
    found = tally(ended, "Why?", keep=False, **options)
    assert found.parts == sent.parts
    assert found.total == sent.total


def test_a_coarser_picture_takes_fewer_tokens_and_a_finer_one_more():
    from dataclasses import replace

    media = Media(sensing.everything())
    picture = image(1000, 1000)
    counts = {level: media.soft(replace(picture, budget=level)) for level in (70, 140, 280, 560, 1120)}
    assert all(level * 0.85 < count <= level for level, count in counts.items())
    assert media.soft(picture) == counts[280]
    assert media.soft(picture, 70) == counts[70]
    assert media.soft(replace(picture, budget=140), 560) == counts[140], "a level only lowers"
    assert media.soft(image(1000, 1000, at=1.0)) == counts[70]
    assert media.levels == (70, 140, 280, 560, 1120)
    assert Media(sensing.Card(sensing.square())).levels == ()


def test_a_place_for_soft_tokens_needs_no_token_of_its_own_but_marks_do():
    card = sensing.Card(sensing.square(), tokenizer=Tokenizer(lacking=("<image_soft_token>",)))
    prompt = packed([document("p.jpg", image())], card)
    slot = prompt.media[0]
    assert prompt.ids[slot.first - 1 : slot.first + slot.count + 1] == [407, 0, 0, 0, 0, 409]
    card = sensing.Card(sensing.square(), tokenizer=Tokenizer(lacking=("<end_of_image>",)))
    with pytest.raises(UnsupportedModelError, match="no token <end_of_image>"):
        packed([document("p.jpg", image())], card)


def test_the_text_around_a_picture_is_tokenized_as_one_with_its_neighbours():
    tokenizer = Tokenizer(joined=[b"\n\n"])
    card = sensing.Card(sensing.square(), tokenizer=tokenizer)
    ids = packed([document("a", image(page=1))], card).ids
    at = ids.index(407)
    assert ids[at - 2 : at] == [ord("]"), 300], "the blank line before the mark is one token"


@given(DOCUMENTS, DOCUMENTS, st.text(max_size=20))
@settings(deadline=None)
def test_an_earlier_turn_keeps_its_pictures_and_sounds(before, documents, answer):
    card = sensing.everything()
    options = {"system": "", "template": card.template, "tokenizer": card.tokenizer, "media": Media(card)}
    alone = assemble(documents, "Why?", **options)
    then = assemble(before, "What?", **options)
    whole = assemble(
        documents, "Why?", **options, earlier=[Turn("What?", answer, tuple(before)), Turn("So?", "", ())]
    )
    assert whole.ids[: len(then.ids)] == then.ids
    assert [(slot.first, slot.count, slot.part) for slot in whole.media] == [
        *((slot.first, slot.count, slot.part) for slot in then.media),
        *((slot.first + len(whole.ids) - len(alone.ids), slot.count, slot.part) for slot in alone.media),
    ]
    assert all((slot.place[0] < 0) == (slot.first < len(then.ids)) for slot in whole.media)
    assert whole.costs.parts == alone.costs.parts
    counted = tally(documents, "Why?", **options, keep=False, earlier=[Turn("What?", answer, tuple(before))])
    assert counted.parts == alone.costs.parts
