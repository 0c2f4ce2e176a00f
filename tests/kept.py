"""Turns and documents to keep in the history."""

from __future__ import annotations

import time

import numpy as np
from PIL import Image as Pillow

from gemcli.history.values import Record, Seen
from gemcli.parts import Anchor, Audio, Document, Image, Text


def picture(seed=0, key="k", broken=False):
    """A part that is a picture of noise."""

    def pixels():
        if broken:
            from gemcli.errors import InputError

            raise InputError("p.png: it is damaged")
        values = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), dtype=np.uint8)
        return Pillow.fromarray(values)

    return Image(40, 30, pixels, Anchor(page=3), key, "a thing", "page", 70)


def sound(key="s"):
    """A part that is two seconds of a rising line, in blocks of different lengths."""
    line = np.linspace(-1, 1, 32_000, dtype=np.float32)
    return Audio(2.0, lambda: iter([line[:7000], line[7000:]]), Anchor(seconds=(0.0, 2.0)), key)


def text_document(source="a.md", text="hé\n"):
    """A document of one text."""
    return Document(source, "text/markdown", "0" * 64, (Text(text, Anchor(lines=(1, 2)), "H › K"),))


def record(conversation="c1", question="What?", answer="That.", **others):
    """A turn of a conversation."""
    return Record(conversation, others.pop("at", time.time()), question, answer, "m", **others)


def seen(*documents):
    """Documents that a turn showed."""
    return [Seen(document) for document in documents]
