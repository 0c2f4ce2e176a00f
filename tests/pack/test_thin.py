"""Media become less in a stated order, texts are cut at their ends, and all of it is reported."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.pack.cost import Costs
from gemcli.pack.thin import ENOUGH_FRAMES, Lean, head, share, tail, thin_media
from gemcli.parts import Anchor, Document, Image, Part, Text

LEVELS = (560, 280, 140, 70)


def cost(width: int, height: int, most: int | None) -> int:
    return min(width * height // 1000, most or 1120)


def image(role: str = "picture", *, page: int | None = None, at: float | None = None, alt: str = "") -> Image:
    anchor = Anchor(seconds=(at, at)) if at is not None else Anchor(page=page)
    return Image(1000, 1000, lambda: None, anchor, alt=alt, role=role)  # type: ignore[arg-type, return-value]


def video(frames: int, name: str = "v.mp4") -> Document:
    return Document(name, "video/mp4", "", tuple(image("frame", at=float(n)) for n in range(frames)))


def scan(pages: int) -> Document:
    parts: list[Part] = []
    for n in range(1, pages + 1):
        parts += [Text(f"Page {n}", Anchor(page=n)), image("page", page=n)]
    return Document("s.pdf", "application/pdf", "", tuple(parts))


def thin(documents: Sequence[Document], tokens: int, levels: Sequence[int] = LEVELS) -> Lean:
    return thin_media(documents, tokens=tokens, cost=cost, levels=levels)


def left(lean: Lean, document: int = 0) -> list[Image]:
    return [part for part in lean.documents[document].parts if isinstance(part, Image)]


def test_what_fits_stays() -> None:
    documents = [video(3), scan(2)]
    found = thin(documents, 5000)
    assert found.documents == tuple(documents)
    assert found.thinned == ()
    assert found.image_tokens == (None, None)
    assert found.tokens == 5000


def test_images_of_pages_with_text_go_first() -> None:
    found = thin([scan(4), video(2)], 2000)
    assert left(found) == []
    assert [part.anchor.page for part in found.documents[0].parts] == [1, 2, 3, 4]
    assert [each.to_json() for each in found.thinned] == [
        {"source": "s.pdf", "what": "page images", "from": 4, "to": 0}
    ]
    assert len(left(found, 1)) == 2


def test_a_page_that_only_its_image_shows_stays() -> None:
    bare = Document("s.pdf", "", "", (image("page", page=1), Text("not read", Anchor(page=1), via="note")))
    assert len(left(thin([bare], 100))) == 1


def test_frames_become_coarser_then_fewer() -> None:
    found = thin([video(40)], 40 * 70)
    assert len(left(found)) == 40
    assert found.image_tokens == (70,)
    assert [each.note() for each in found.thinned] == ["v.mp4: 70 of 1,000 image tokens are read"]
    found = thin([video(40)], 20 * 70)
    seconds = [(frame.anchor.seconds or (0, 0))[0] for frame in left(found)]
    assert len(seconds) == 20
    assert (seconds[0], seconds[-1]) == (0.0, 39.0)
    gaps = [later - earlier for earlier, later in pairwise(seconds)]
    assert max(gaps) - min(gaps) <= 1
    assert found.thinned[0].to_json() == {"source": "v.mp4", "what": "frames", "from": 40, "to": 20}


def test_pictures_become_coarser_before_a_video_has_few_frames() -> None:
    pictures = Document("d.docx", "", "", tuple(image() for _ in range(4)))
    found = thin([video(40), pictures], ENOUGH_FRAMES * 70 + 4 * 280)
    assert len(left(found)) == ENOUGH_FRAMES
    assert len(left(found, 1)) == 4
    assert found.image_tokens == (70, 280)


def test_a_picture_that_is_left_out_leaves_a_note() -> None:
    pictures = Document("d.docx", "", "", tuple(image(page=n, alt=f"figure {n}") for n in range(1, 6)))
    found = thin([pictures], 2 * 1000, levels=())
    assert [type(part).__name__ for part in found.documents[0].parts] == [
        "Image",
        "Text",
        "Text",
        "Text",
        "Image",
    ]
    note = found.documents[0].parts[1]
    assert isinstance(note, Text)
    assert (note.via, note.anchor) == ("note", Anchor(page=2))
    assert "figure 2" in note.text
    assert found.thinned[0].to_json() == {"source": "d.docx", "what": "pictures", "from": 5, "to": 2}


@given(st.lists(st.integers(0, 60), min_size=1, max_size=3), st.integers(0, 70_000))
@settings(max_examples=80, deadline=None)
def test_it_fits_whenever_it_can_and_order_is_kept(sizes: list[int], tokens: int) -> None:
    documents = [video(size, f"{n}.mp4") for n, size in enumerate(sizes)]
    found = thin(documents, tokens)
    least = 70 * sum(size > 0 for size in sizes)
    assert found.tokens <= max(tokens, least)
    for own, kept in zip(documents, found.documents, strict=True):
        places = [own.parts.index(part) for part in kept.parts]
        assert places == sorted(set(places))
        assert bool(kept.parts) == bool(own.parts)


def costs(*documents: Document) -> Costs:
    parts = {
        (index, number): len(part.text) if isinstance(part, Text) else 100
        for index, document in enumerate(documents)
        for number, part in enumerate(document.parts)
    }
    return Costs(sum(parts.values()), {}, parts)


def text(*texts: str, name: str = "a.txt") -> Document:
    at = 1
    parts = []
    for each in texts:
        lines = each.count("\n")
        parts.append(Text(each, Anchor(lines=(at, at + lines - 1))))
        at += lines
    return Document(name, "text/plain", "", tuple(parts))


LINES = "".join(f"Line {n:02d}.\n" for n in range(10))  # nine characters each


def test_the_beginning_and_the_end() -> None:
    given = text(LINES, LINES)
    first = head([given], 110, costs(given), len)
    assert (
        "".join(part.text for part in first.documents[0].parts if isinstance(part, Text))
        == (LINES + LINES)[:108]
    )
    assert first.documents[0].parts[1].anchor == Anchor(lines=(11, 12))
    assert (first.tokens_read, first.tokens_given) == (108, 180)
    assert first.note() == "read 108 of 180 tokens: the beginning; --overflow map reads everything"
    assert first.thinned[0].to_json() == {"source": "a.txt", "what": "text tokens", "from": 180, "to": 108}
    last = tail([given], 110, costs(given), len)
    assert (
        "".join(part.text for part in last.documents[0].parts if isinstance(part, Text))
        == (LINES + LINES)[-108:]
    )
    assert last.documents[0].parts[0].anchor == Anchor(lines=(9, 10))


def test_short_documents_stay_whole() -> None:
    short, long = text(LINES[:18], name="s"), text(LINES, name="l")
    found = head([long, short], 60, costs(long, short), len)
    assert found.documents[1] == short
    assert found.tokens_read == 18 + 36
    assert [each.source for each in found.thinned] == ["l"]
    assert "the beginning of each document" in found.note()


@pytest.mark.parametrize("side", [head, tail])
def test_where_nothing_fits_nothing_is_left(side) -> None:
    given = text(LINES)
    found = side([given], 4, costs(given), len)
    assert found.documents[0].parts == ()
    assert found.tokens_read == 0
    assert found.thinned[0].after == 0


@given(st.lists(st.integers(0, 500), max_size=6), st.integers(0, 1500))
def test_shares_are_fair_and_all_is_used(totals: list[int], tokens: int) -> None:
    found = share(totals, tokens)
    assert sum(found) <= tokens
    assert all(each <= total for each, total in zip(found, totals, strict=True))
    if sum(totals) <= tokens:
        assert found == totals
    elif totals:
        assert sum(found) >= tokens - len(totals)
        short = [each for each, total in zip(found, totals, strict=True) if each < total]
        assert max(short) - min(short) <= 1
