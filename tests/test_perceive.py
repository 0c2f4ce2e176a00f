"""Every picture is seen and every sound is heard in its turn; what is damaged leaves a note."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import PIL.Image
import pytest
import sensing
from sensing import Senses, audio, document, image, text

from gemcli.errors import InputError
from gemcli.events import Progress, Warning
from gemcli.pack.budget import budget
from gemcli.pack.overflow import Packer, pack
from gemcli.parts import Image, Text
from gemcli.perceive import perceive, soft_tokens


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
    prepared = SimpleNamespace(packed=made, packer=packer)
    found = perceive(prepared, made.prompt, "Why?", senses, told.append, **options)
    return found, told, senses


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
    assert [each.rows[0, 0] for each in found.soft] == [7, 0, 30 * 16_000, 9]
    assert senses.log == [
        ("see", 480, 336, False, 280),
        ("hear", 480_000),
        ("hear", 160_000),
        ("see", 480, 336, True, 70),
    ]
    steps = [(each.done, each.total, each.detail) for each in told if isinstance(each, Progress)]
    assert steps == [
        (0, 1350, ""),
        (280, 1350, "a"),
        (1030, 1350, "a 00:00:00"),
        (1280, 1350, "a 00:00:00"),
        (1350, 1350, "a 00:00:03"),
        (1350, 1350, ""),
    ]


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
    assert [each.rows[0, 0] for each in found.soft] == [0, 1, 3]
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
    assert [each.rows[0, 0] for each in found.soft] == [4]
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
    with pytest.raises(InputError, match="cannot be decoded"):
        soft_tokens(prompt, Senses(card), packer.media, lambda event: None)


def test_the_same_document_twice_is_seen_twice():
    same = document("p.jpg", image(480, 336, value=3))
    found, _, _ = perceived([same, same])
    assert [each.rows[0, 0] for each in found.soft] == [3, 3]
    assert found.soft[0].first < found.soft[1].first
    assert isinstance(found.prompt.media[0].part, Image)
