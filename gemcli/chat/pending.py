"""What a question is shown: words that name files, and documents as they were sent before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gemcli.chat.named import names_of, without
from gemcli.parts import Document


@dataclass(frozen=True, slots=True)
class Pending:
    """What a question is shown.

    Attributes:
        files: words that name files, which are read when it is asked.
        held: documents as an earlier run of the program sent them: their files may be gone, or say something
            else.
    """

    files: tuple[str, ...] = ()
    held: tuple[Document, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.held)

    @property
    def names(self) -> list[str]:
        """The names of the documents."""
        found = [each.source for each in self.held]
        return list(dict.fromkeys([*found, *(name for word in self.files for name in names_of(word))]))

    def and_then(self, other: Pending) -> Pending:
        """This, and what of the other is not in it."""
        held = [each for each in other.held if each not in self.held]
        return Pending(tuple(dict.fromkeys((*self.files, *other.files))), (*self.held, *held))

    def added(self, words: Iterable[str]) -> Pending:
        """This, and files, which take the places of documents of the same names."""
        fresh = Pending(tuple(words))
        names = set(fresh.names)
        return replace(self, held=tuple(each for each in self.held if each.source not in names)).and_then(
            fresh
        )

    def without(self, name: str) -> Pending:
        """This less one document."""
        held = tuple(each for each in self.held if each.source != name)
        return Pending(tuple(without(self.files, name)), held)
