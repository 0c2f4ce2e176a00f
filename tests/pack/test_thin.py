"""Media become less in a stated order, and all of it is reported."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.pack.thin import ENOUGH_FRAMES, Lean, thin_media
from gemcli.parts import Anchor, Document, Image, Part, Text

LEVELS = (560, 280, 140, 70)


def cost(image: Image, most: int | None) -> int:
    return min(image.width * image.height // 1000, most or image.budget or 1120)


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
    assert {frame.budget for frame in left(found)} == {70}
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
    assert {frame.budget for frame in left(found)} == {70}
    assert {picture.budget for picture in left(found, 1)} == {280}


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
        seconds = [part.anchor for part in own.parts]
        places = [seconds.index(part.anchor) for part in kept.parts]
        assert places == sorted(set(places))
        assert bool(kept.parts) == bool(own.parts)
