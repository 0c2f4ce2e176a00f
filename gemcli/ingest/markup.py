"""HTML as readable text: headings, lists, tables, links and code in Markdown's manner, pictures in place.

Shared by web pages, books, mail and whatever else becomes HTML on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gemcli.ingest.blocks import blocks
from gemcli.ingest.headings import Heading, joined, under
from gemcli.ingest.markup_lines import HeadingLine, Line
from gemcli.ingest.markup_page import Page, Picture
from gemcli.ingest.markup_source import tame
from gemcli.ingest.markup_walk import walk
from gemcli.parts import Anchor, Image, Part, Text


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page as text.

    Attributes:
        lines: its lines without their ends, and its pictures between them.
        title: what it calls itself.
        navigation: blocks of links that were left out.
        hidden: elements that were left out because they are not shown.
        warnings: what was lost, one sentence each.
    """

    lines: Sequence[Line]
    title: str = ""
    navigation: int = 0
    hidden: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text alone."""
        return "".join(f"{line}\n" for line in self.lines if isinstance(line, str))

    def parts(self, page: int | None = None, above: Sequence[str] = ()) -> list[Part]:
        """Blocks of text and the pictures, in order, under their headings.

        Args:
            page: anchors all of them there; without it, text is anchored by its lines and a picture by the
                line before it.
            above: headings above all of the text, outermost first.
        """
        found: list[Heading] = []
        parts: list[Part] = []
        pending: list[str] = []
        number = 0

        def flush() -> None:
            if any(line.strip() for line in pending):
                text = "".join(f"{line}\n" for line in pending)
                parts.extend(under(blocks(text, number - len(pending) + 1), found))
            pending.clear()

        for line in self.lines:
            if isinstance(line, Image):
                flush()
                parts.append(replace(line, anchor=Anchor(lines=(max(1, number), max(1, number)))))
                continue
            number += 1
            pending.append(line)
            if isinstance(line, HeadingLine):
                found.append(Heading(number, line.level, line.says))
        flush()
        return [_placed(part, page, above) for part in parts]


def render(
    source: str,
    *,
    picture: Picture = lambda src, alt: None,
    link: Callable[[str], str | None] = lambda href: href,
    is_xml: bool = False,
    keep_navigation: bool = False,
) -> Rendered:
    """Read a page or a fragment of HTML.

    Args:
        source: HTML or, with `is_xml`, XHTML.
        picture: gives the picture that an element's ``src`` and ``alt`` mean, or None; then its ``alt``
            is written.  Its anchor is set later.
        link: gives the target of a link as it is to be written, or None to write its text only.
        keep_navigation: blocks of links that help to move about a site are kept.
    """
    from selectolax.lexbor import LexborHTMLParser

    tamed = tame(source, is_xml=is_xml)
    page = Page(picture, link, keep_navigation)
    for chunk in tamed.chunks:
        root = LexborHTMLParser(chunk).root
        if root is not None:
            walk(page, root)
    said = ("is nested too deeply; read as paragraphs, without lists and tables",) if tamed.is_flat else ()
    return Rendered(page.lines(), page.title, page.navigation, page.hidden, said)


def _placed(part: Part, page: int | None, above: Sequence[str]) -> Part:
    if page is not None:
        part = replace(part, anchor=Anchor(page=page))
    if isinstance(part, Text) and above:
        part = replace(part, heading=joined([*above, part.heading]))
    return part
