"""Tokens of every part of documents too long to be sent whole: counted apart, on all cores, and kept on disk.

What is sent is always counted on its own ids (`gemcli.pack.cost`).  Here each part is counted by itself, as
it would stand in the prompt; that is the same number wherever parts end with a line break, as they do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gemcli.keep import Keep
from gemcli.pack.assemble import Template, assemble
from gemcli.pack.compose import compose, names_of, written
from gemcli.pack.cost import Costs
from gemcli.pack.media import Media
from gemcli.parts import Document, Text
from gemcli.turns import Turn

if TYPE_CHECKING:
    from model.tokenizer.base import Tokenizer

VERSION = 1
"""Of the way a part is written into a prompt; counts on disk depend on it."""

_SMALL = 50_000
"""Characters of a document below which its tokens are counted sooner than found on disk."""

_BATCH = 512
"""Parts that are counted at a time, between two reports."""


def tally(
    documents: Sequence[Document],
    question: str,
    *,
    system: str | None,
    template: Template,
    tokenizer: Tokenizer,
    is_base: bool = False,
    keep: bool = True,
    report: Callable[[int, int], None] = lambda done, total: None,
    media: Media | None = None,
    earlier: Sequence[Turn] = (),
    form: str = "",
) -> Costs:
    """What the prompt of `gemcli.pack.assemble.assemble` would cost, without making it.

    Args:
        documents: as for `assemble`; without `media`, pictures and sound in them are counted as nothing.
        question, system, template, tokenizer, is_base, media, earlier, form: as for `assemble`.
        keep: whether counts are read from and written to disk.
        report: told the characters that are counted, and all.

    Raises:
        UnsupportedModelError: the template or the tokenizer does not keep the text as it is given.
    """
    bare = [replace(document, parts=()) for document in documents]
    frame = assemble(
        bare,
        question,
        system=system,
        template=template,
        tokenizer=tokenizer,
        is_base=is_base,
        media=media,
        earlier=earlier,
        form=form,
    ).costs
    counted = tokenizer.count_batch([f"Document: {each.source}\n" for each in documents])
    headings = {index: tokens for index, tokens in enumerate(counted) if documents[index].parts}
    total = sum(len(part.text) for each in documents for part in each.parts if isinstance(part, Text))
    parts: dict[tuple[int, int], int] = {}
    done = 0
    report(done, total)
    for index, texts in _written(documents).items():
        kept = Keep("tokens", keep and sum(map(len, texts.values())) >= _SMALL)
        key = (VERSION, _digest(texts.values()), tokenizer.fingerprint) if kept.on else ()
        counts = kept.get(*key)
        if not isinstance(counts, list) or len(counts) != len(texts):
            counts = []
            said = list(texts.values())
            for at in range(0, len(said), _BATCH):
                batch = said[at : at + _BATCH]
                counts += tokenizer.count_batch(batch)
                done += sum(map(len, batch))
                report(min(done, total), total)
            kept.put(counts, *key)
        parts |= {(index, number): count for number, count in zip(texts, counts, strict=True)}
    if media is not None:
        parts |= _media_costs(documents, media)
    report(total, total)
    return Costs(frame.total + sum(parts.values()), headings, parts)


def _media_costs(documents: Sequence[Document], media: Media) -> dict[tuple[int, int], int]:
    """Tokens of each picture and sound as it stands in the prompt."""
    found: dict[tuple[int, int], int] = {}
    for index, (document, name) in enumerate(zip(documents, names_of(documents), strict=True)):
        heading = f"Document: {document.source}\n"
        for number, part in enumerate(document.parts):
            if isinstance(part, Text):
                continue
            pieces = written(name, document.parts, number, media)
            # A blank line at its beginning may be one token with the end of the heading.
            before = [heading] if number == 0 else []
            found[index, number] = media.cost([*before, *pieces]) - media.cost(before)
    return found


def _written(documents: Sequence[Document]) -> dict[int, dict[int, str]]:
    """Each text as it stands in the prompt, by document and part."""
    found: dict[int, dict[int, str]] = {}
    texts = [
        replace(each, parts=tuple(part for part in each.parts if isinstance(part, Text)))
        for each in documents
    ]
    numbers = [
        [number for number, part in enumerate(each.parts) if isinstance(part, Text)] for each in documents
    ]
    content = compose(texts, "")
    for region in content.regions:
        if region.part is not None:
            place = numbers[region.document][region.part]
            found.setdefault(region.document, {})[place] = content.text[region.start : region.end]
    return found


def _digest(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)} ".encode())
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
