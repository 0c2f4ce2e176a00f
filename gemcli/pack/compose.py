"""The text of one turn of the user's: documents with their anchors, then the question.

Each document is introduced by name, each of its parts by its anchor (``[report.pdf p.12]``), so that an
answer can say where it comes from.  A picture or a sound has its place among the texts, behind its anchor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gemcli.pack.cost import Region
from gemcli.pack.media import Media, Piece, Run
from gemcli.parts import Document, Image, Part, Text


@dataclass(frozen=True, slots=True)
class Insert:
    """Tokens that no text can spell, and where in the user's turn they stand.

    Attributes:
        at: the character that they stand before.
        run: the tokens.
        document, part: indexes of what they belong to.
    """

    at: int
    run: Run
    document: int
    part: int


@dataclass(frozen=True, slots=True)
class Content:
    """The text of the user's turn, and where in it each part stands.

    Attributes:
        text: documents, then the question; begins and ends with no white space, so that a template that
            trims leaves it alone.
        regions: one for each document and part, in order, as character ranges of `text`.
        inserts: what stands between the characters, in order.
    """

    text: str
    regions: tuple[Region, ...]
    inserts: tuple[Insert, ...] = ()


def compose(
    documents: Sequence[Document],
    question: str,
    *,
    reminder: str = "",
    ask_for_answer: bool = False,
    media: Media | None = None,
) -> Content:
    """The text of the user's turn: every document with its anchors, then the question, then a reminder.

    Every character of every part is in it, in order.  `ask_for_answer` ends it with ``Answer:``, which is
    how a model that only continues text is asked.
    """
    names = names_of(documents)
    pieces: list[str] = []
    regions: list[Region] = []
    inserts: list[Insert] = []
    at = 0

    def put(text: str) -> None:
        nonlocal at
        pieces.append(text)
        at += len(text)

    for index, (document, name) in enumerate(zip(documents, names, strict=True)):
        begin = at
        put(f"Document: {document.source}\n")
        regions.append(Region(index, None, begin, at))
        for number in range(len(document.parts)):
            begin = at
            for piece in written(name, document.parts, number, media):
                if isinstance(piece, Run):
                    inserts.append(Insert(at, piece, index, number))
                else:
                    put(piece)
            regions.append(Region(index, number, begin, at))
    question = question.strip()
    if documents or ask_for_answer:
        put(f"Question: {question}" if question else "Question:")
    else:
        put(question)
    if reminder:
        put(f"\n{reminder}")
    if ask_for_answer:
        put("\nAnswer:")
    return Content("".join(pieces), tuple(regions), tuple(inserts))


def written(name: str, parts: Sequence[Part], number: int, media: Media | None) -> list[Piece]:
    """A part as it stands in the prompt: its anchor, what it is, and a blank line.

    The frames of a video that follow one another are one stretch with one anchor: each has its time.

    Args:
        name: the document's, inside anchors.
        parts: the document's.
        number: which of them.
        media: how the model is shown pictures and played sound.
    """
    part = parts[number]
    label = part.anchor.label()
    anchor = f"[{name} {label}]\n" if label else ""
    if isinstance(part, Text):
        return [anchor, part.text, "\n" if part.text.endswith("\n") else "\n\n"]
    assert media is not None, "what the model cannot take was made text of"
    follows = number > 0 and _is_frame(parts[number - 1]) and _is_frame(part)
    pieces = media.pieces(part, follows=follows)
    first, last = pieces[0], pieces[-1]
    if isinstance(first, str) and first.startswith("\n\n") and not follows:
        # The model knows one blank line before a picture; what is there of it is not written again.
        pieces[0] = first if anchor else first[2 if number else 1 :]
        anchor = anchor.rstrip("\n")
    if not follows:
        pieces.insert(0, anchor)
    ends_blank = isinstance(last, str) and last.endswith("\n\n")
    goes_on = _is_frame(part) and number + 1 < len(parts) and _is_frame(parts[number + 1])
    return pieces if ends_blank or goes_on else [*pieces, "\n\n"]


def _is_frame(part: Part) -> bool:
    return isinstance(part, Image) and part.role == "frame" and part.anchor.seconds is not None


def names_of(documents: Sequence[Document]) -> list[str]:
    """The name of each document inside its anchors: its last path component where that is unique."""
    short = [document.source.rstrip("/").rpartition("/")[2] or document.source for document in documents]
    return [
        name if short.count(name) == 1 else document.source
        for name, document in zip(short, documents, strict=True)
    ]
