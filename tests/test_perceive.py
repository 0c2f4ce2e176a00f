"""Every picture is seen and every sound is heard in its turn; what is damaged leaves a note."""

from __future__ import annotations

from dataclasses import dataclass, replace

import PIL.Image
import pytest
import sensing
from sensing import Senses, audio, document, image, text

from gemcli.errors import InputError
from gemcli.events import Progress, Warning
from gemcli.pack.assemble import Prompt
from gemcli.pack.budget import budget
from gemcli.pack.overflow import Packer, pack
from gemcli.parts import Anchor, Document, Image, Text
from gemcli.perceive import Perception, Undecodable, repacked, soft_tokens
from gemcli.prepared import Prepared
from model.prompt import Soft


def perceived(documents, card=None, senses=None, **options):
    card = card or sensing.everything()
    senses = senses or Senses(card)
    told = []
    packer = Packer(card, "")
    made = pack(
        documents,
        "Why?",
        packer,
        budget(8192),
        policy="error",
        pace=None,
        keep=False,
        counting=lambda done, total: None,
    )
    prepared = Prepared(None, card, packer, documents, made, budget(8192), 0.0, 0.0)
    while True:
        found = Perception(prepared.packed.prompt, packer.media, lambda: senses, told.append)
        try:
            for each in found.soft:
                each.rows[0:1]
            return Seen(found.prompt, found.soft, prepared.packed.documents), told, senses
        except Undecodable:
            prepared = repacked(prepared, found, "Why?", told.append, **options)


@dataclass
class Seen:
    """What became of a prompt whose pictures and sounds were all looked at."""

    prompt: Prompt
    soft: tuple[Soft, ...]
    documents: tuple[Document, ...]


def damaged(part):
    def fail():
        raise InputError("frame cannot be decoded")

    return replace(part, pixels=fail)


def test_text_alone_needs_no_senses():
    found, told, _ = perceived([document("a", text("x"))], senses=object())
    assert found.soft == ()
    assert told == []


def test_each_part_has_its_rows_in_its_place():
    parts = (image(480, 336, value=7), audio(40), image(480, 336, at=3.0, value=9))
    found, told, senses = perceived([document("a", text("t"), *parts)])
    assert [(each.first, len(each.rows)) for each in found.soft] == [
        (slot.first, slot.count) for slot in found.prompt.media
    ]
    assert [each.is_block for each in found.soft] == [True, False, False, True]
    assert senses.log == [
        ("see", 480, 336, False, 280),
        ("hear", 480_000),
        ("hear", 160_000),
        ("see", 480, 336, True, 70),
    ]
    steps = [(each.done, each.total, each.detail) for each in told if isinstance(each, Progress)]
    assert steps == [
        (280, 1350, "a"),
        (1030, 1350, "a 00:00:00"),
        (1280, 1350, "a 00:00:00"),
        (1350, 1350, "a 00:00:03"),
    ]
    assert [each.rows[0:1][0, 0] for each in found.soft] == [7, 0, 30 * 16_000, 9]


def test_a_model_without_budgets_is_given_none():
    card = sensing.Card(sensing.square())
    _, _, senses = perceived([document("v", image(at=1.0), image())], card)
    assert [each[-1] for each in senses.log] == [None, None]


@pytest.mark.parametrize("given", [1.0, 2.999, 3.0, 3.5])
def test_a_sound_of_another_length_than_said_is_cut_or_filled(given):
    found, _, senses = perceived([document("a.mp3", audio(3, given=given))])
    assert senses.log == [("hear", 48_000)]
    assert [len(each.rows) for each in found.soft] == [75]


@pytest.mark.parametrize("given", [(240, 168), (239, 168), (120, 83), (100, 333)])
def test_a_picture_decoded_smaller_takes_the_tokens_that_were_counted(given):
    part = image(480, 336)
    part = replace(part, pixels=lambda: PIL.Image.new("L", given, 5))
    found, _, _ = perceived([document("p.jpg", part)])
    assert [len(each.rows) for each in found.soft] == [280]


def test_a_damaged_frame_is_left_out_and_said():
    frames = [image(480, 336, at=float(n), value=n) for n in range(4)]
    frames[2] = damaged(frames[2])
    found, told, _ = perceived([document("v.mp4", *frames)])
    assert [each.rows[0:1][0, 0] for each in found.soft] == [0, 1, 3]
    assert [slot.count for slot in found.prompt.media] == [70] * 3
    assert [each.message for each in told if isinstance(each, Warning)] == [
        "v.mp4: 1 of its frames cannot be decoded and are not seen or heard"
    ]
    assert len(found.documents[0].parts) == 3


def test_a_damaged_picture_of_a_document_leaves_a_note():
    parts = (text("t", page=1), damaged(image(page=2)), image(page=3, value=4))
    found, _, _ = perceived([document("a.docx", *parts)])
    note = found.documents[0].parts[1]
    assert isinstance(note, Text)
    assert (note.via, note.anchor.page) == ("note", 2)
    assert [each.rows[0:1][0, 0] for each in found.soft] == [4]
    assert found.soft[0].first == found.prompt.media[0].first


def test_a_file_that_is_nothing_but_damage_is_an_error():
    with pytest.raises(InputError, match="cannot be decoded"):
        perceived([document("p.jpg", damaged(image())), document("a", text("x"))])
    found, told, _ = perceived(
        [document("p.jpg", damaged(image())), document("a", text("x"))], keep_going=True
    )
    assert found.soft == ()
    assert any(isinstance(each, Warning) and each.message.startswith("p.jpg: ") for each in told)
    card = sensing.everything()
    packer = Packer(card, "")
    prompt = packer([document("v", damaged(image(at=1.0)), image(at=2.0))], "Why?")
    first, _ = soft_tokens(prompt, Senses(card), packer.media, lambda event: None)
    with pytest.raises(InputError, match="cannot be decoded"):
        first.rows[0:1]


def test_the_same_document_twice_is_seen_twice():
    same = document("p.jpg", image(480, 336, value=3))
    found, _, _ = perceived([same, same])
    assert [each.rows[0:1][0, 0] for each in found.soft] == [3, 3]
    assert found.soft[0].first < found.soft[1].first
    assert isinstance(found.prompt.media[0].part, Image)


def test_nothing_is_decoded_before_it_is_looked_at():
    card = sensing.everything()
    senses, packer = Senses(card), Packer(card, "")
    prompt = packer([document("a", image(480, 336, value=7), audio(100))], "Why?")
    found = Perception(prompt, packer.media, lambda: senses, lambda event: None)
    assert [len(each.rows) for each in found.soft] == [slot.count for slot in prompt.media]
    assert senses.log == []
    assert found.soft[2].rows[0:1][0, 0] == 30 * 16_000, "its second window"
    assert senses.log == [("hear", 480_000)], "the first window is not encoded to come to it"
    assert found.soft[3].rows[4:5].shape == (1, 8)
    assert len(senses.log) == 2, "it goes on from there"
    assert found.soft[3].rows[5:6].shape == (1, 8)
    assert len(senses.log) == 2, "a window that two chunks share is encoded once"
    assert found.soft[1].rows[0:1][0, 0] == 0, "and one can go back"


def test_keys_tell_what_rows_depend_on():
    card = sensing.everything()
    packer = Packer(card, "")

    def keys(*parts):
        prompt = packer([document("a", *parts)], "Why?")
        return [each.key for each in Perception(prompt, packer.media, lambda: None, print).soft]

    one = replace(image(480, 336), key="k")
    variants = [
        one,
        replace(one, key="other"),
        replace(one, role="frame"),
        replace(one, budget=70),
        replace(one, width=640, height=448),
        replace(audio(40), key="k"),
        replace(audio(41), key="k"),
    ]
    found = [key for each in variants for key in keys(each)]
    assert len(set(found)) == len(found) == 9
    assert keys(replace(one, alt="said"), replace(one, anchor=Anchor(page=3))) == keys(one) * 2
    assert keys(replace(one, key="")) == [""], "whoever has no key is looked at"
