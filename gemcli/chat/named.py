"""The words that name documents, and the names that the documents have."""

from __future__ import annotations

from collections.abc import Iterable

from gemcli.errors import GemcliError


def names_of(word: str) -> list[str]:
    """The names of the documents that a word means; the word itself where that cannot be told any more."""
    from gemcli.ingest.locate import locate

    try:
        return [source.name for source in locate(word).sources] or [word]
    except GemcliError:
        return [word]


def without(words: Iterable[str], name: str) -> list[str]:
    """The words less one document: a folder's others are named one by one then."""
    kept: list[str] = []
    for word in words:
        if word == name:
            continue
        names = names_of(word)
        kept += [word] if name not in names else [each for each in names if each != name]
    return kept
