"""A needle as tokens: text, a picture that is drawn, or a recording that is played."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gemcli.bench.needle_prompt import Insert
from gemcli.bench.needle_text import SENSES, Clip, Kind, Needle
from gemcli.errors import InputError, UsageError
from gemcli.events import Event

if TYPE_CHECKING:
    import PIL.Image

    from gemcli.parts import Audio, Image
    from model.card import ModelCard
    from model.senses import Senses

SIDE = 448
"""Pixels of a side of the picture: no model scales its figures beyond reading."""


def check(card: ModelCard, name: str, kind: Kind, clips: tuple[Clip, ...]) -> None:
    """Refuse what a model cannot be asked.

    Raises:
        UsageError: it lacks the sense, or there is nothing to play.
    """
    sense = SENSES.get(kind)
    if sense and sense not in card.senses:
        able = " and ".join(["text", *sorted(card.senses)])
        lacks = "see pictures" if sense == "image" else "hear"
        why = f": {card.unread}" if card.unread else ""
        raise UsageError(
            f"{name} does not {lacks}, it takes {able} alone{why}",
            "Take a model with that sense (`gemcli models list`), or a --kind that is text.",
        )
    if kind == "audio" and not clips:
        raise UsageError(
            "--kind audio needs a recording to hide",
            "Give --clip FILE=WORDS, with words that are said in it.",
        )
    if clips and kind != "audio":
        raise UsageError("--clip is of use with --kind audio alone")


def inserter(
    card: ModelCard, senses: Callable[[], Senses], show: Callable[[Event], None]
) -> Callable[[Needle], Insert]:
    """What makes tokens of needles.

    Args:
        card: the model.
        senses: gives its encoders, which are loaded when first used.
        show: gets progress and warnings.
    """

    def insert(needle: Needle) -> Insert:
        tokenizer = card.tokenizer
        if needle.sense == "text":
            return Insert(tuple(tokenizer.encode(f"\n\n{needle.text}\n\n")))
        return _perceived(card, senses(), needle, show)

    return insert


def _perceived(card: ModelCard, senses: Senses, needle: Needle, show: Callable[[Event], None]) -> Insert:
    from gemcli.pack.assemble import Prompt, Slot
    from gemcli.pack.cost import Costs
    from gemcli.pack.media import Media
    from gemcli.perceive import soft_tokens

    media = Media(card)
    part = drawn(needle.text) if needle.sense == "image" else recording(needle.text, show)
    ids: list[int] = []
    slots: list[Slot] = []
    for piece in ["\n\n", *media.pieces(part), "\n\n"]:
        if isinstance(piece, str):
            ids += card.tokenizer.encode(piece)
        else:
            if piece.count:
                slots.append(Slot(len(ids) + piece.skip, piece.count, part, needle.text, (0, 0)))
            ids += piece.ids
    if not slots:
        raise InputError(f"{needle.text} is too short to be heard")
    prompt = Prompt(ids, Costs(len(ids), {}, {}), media=tuple(slots))
    soft = soft_tokens(prompt, senses, media, lambda event: None)
    return Insert(tuple(ids), tuple(replace(each) for each in soft))


def drawn(key: str) -> Image:
    """A picture of a number: black figures on white, as large as fit."""
    from gemcli.parts import Image

    return Image(SIDE, SIDE, lambda: _draw(key), key=f"needle/{key}")


def _draw(key: str) -> PIL.Image.Image:
    import PIL.Image
    import PIL.ImageDraw
    import PIL.ImageFont

    picture = PIL.Image.new("RGB", (SIDE, SIDE), "white")
    font = PIL.ImageFont.load_default(size=SIDE // 4)
    PIL.ImageDraw.Draw(picture).text((SIDE / 2, SIDE / 2), key, "black", font, anchor="mm")
    return picture


def recording(path: str, show: Callable[[Event], None]) -> Audio:
    """The sound of a file.

    Raises:
        InputError: it cannot be read, or holds no sound.
    """
    from gemcli.ingest.collect import collect
    from gemcli.parts import Audio

    for document in collect([path], on_event=show, stdin="never"):
        for part in document.parts:
            if isinstance(part, Audio):
                return part
    raise InputError(f"{path} holds no sound", "Give --clip a recording.")
