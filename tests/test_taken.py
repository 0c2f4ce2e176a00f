"""What a model hears itself and what is written down for it, by how much room there is."""

from __future__ import annotations

import pytest
import sensing
from sensing import audio, document, image, text

from gemcli.bridge import apply
from gemcli.events import Note
from gemcli.pack.budget import budget
from gemcli.request import Request
from gemcli.taken import as_taken


@pytest.fixture
def taken(monkeypatch):
    """The senses that the bridge is told of, and what is said."""

    def run(*parts, window=4096, senses=("image", "audio"), **options):
        told, asked = [], []

        def bridge(documents, *, senses, **rest):
            asked.append(senses)
            return list(documents)

        monkeypatch.setattr(apply, "bridge", bridge)
        card = sensing.everything()
        monkeypatch.setattr(card, "senses", frozenset(senses), raising=False)
        request = Request("Why?", **options)
        as_taken([document("a", *parts)], request, "m", card, budget(window), told.append)
        return (set(asked[0]) if asked else None), [each.message for each in told if isinstance(each, Note)]

    return run


def test_text_needs_no_bridge(taken):
    assert taken(text("x")) == (None, [])


def test_sound_that_leaves_room_is_heard(taken):
    assert taken(audio(60), image()) == ({"image", "audio"}, [])


def test_sound_that_would_leave_none_is_written_down_and_that_is_said(taken):
    senses, told = taken(audio(110), image())
    assert senses == {"image"}
    assert len(told) == 1
    assert "the sound would take 2,7" in told[0]
    assert "written down" in told[0]
    assert taken(audio(60), audio(50))[0] == {"image"}, "all sounds count together"
    assert taken(audio(110), window=16_384) == ({"image", "audio"}, [])


@pytest.mark.parametrize("overflow", ["error", "map"])
def test_where_all_is_read_or_nothing_it_stays_sound(taken, overflow):
    assert taken(audio(110), overflow=overflow) == ({"image", "audio"}, [])
