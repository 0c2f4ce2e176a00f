"""Real text of any length, as tokens: files that the person names, or what every Python says of itself."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gemcli.bench.text import standing_text
from gemcli.errors import InputError, UsageError
from gemcli.events import Event

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.tokenizer.base import Tokenizer

STANDING = "the text of Python's help"

_LINE = 64  # tokens that a place is moved back at most to stand between two lines
_LONG = 200  # characters of a text that is worth reading
_SKIPPED = frozenset({"site-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"})


class Haystack:
    """Tokens of a text; it begins anew where it ends.

    Args:
        tokenizer: the model's.
        texts: gives the text in pieces, in order; asked for as many as are needed.
        name: what it is, for people.

    Attributes:
        name: as given.
    """

    def __init__(self, tokenizer: Tokenizer, texts: Callable[[], Iterator[str]], name: str) -> None:
        import numpy as np

        self.name = name
        self._tokenizer = tokenizer
        self._texts = texts()
        self._ids = np.zeros(0, np.int32)
        self._size: int | None = None

    @property
    def size(self) -> int | None:
        """Tokens of the whole text; None as long as it was not read to its end."""
        return self._size

    def take(self, count: int) -> NDArray[np.int32]:
        """The first `count` tokens, int32.

        Raises:
            UsageError: there is no text at all.
        """
        import numpy as np

        while len(self._ids) < count and self._size is None:
            text = next(self._texts, None)
            if text is None:
                self._size = len(self._ids)
            else:
                more = np.asarray(self._tokenizer.encode(text), np.int32)
                self._ids = np.concatenate([self._ids, more])
        if not len(self._ids) and count:
            raise UsageError(f"there is no text in {self.name}", "Name files that hold text.")
        return self._ids[:count] if count <= len(self._ids) else np.resize(self._ids, count)

    def once(self, count: int | None, most: int) -> list[int]:
        """The first `count` tokens of the text, none of them repeated; None: all, `most` of them at most.

        Raises:
            UsageError: the text is shorter.
        """
        ids = self.take(most if count is None else count).tolist()
        if self._size is None or self._size >= len(ids):
            return ids
        if count is None:
            return ids[: self._size]
        raise UsageError(
            f"{self.name} has {self._size:,} tokens, and {count:,} are wanted",
            "Name longer files, or give fewer --tokens.",
        )

    def between_lines(self, place: int) -> int:
        """The last place at or before `place`, but not far from it, that begins a line."""
        ids = self.take(place)
        for at in range(place, max(place - _LINE, 0), -1):
            if self._tokenizer.token_bytes(int(ids[at - 1])).endswith(b"\n"):
                return at
        return 0 if place <= _LINE else place

    def digest(self, count: int) -> str:
        """The same for two texts only if their first `count` tokens are the same."""
        return hashlib.sha256(self.take(count).tobytes()).hexdigest()[:16]


def haystack(tokenizer: Tokenizer, files: Sequence[str], show: Callable[[Event], None]) -> Haystack:
    """The text of files, or the one that every Python carries where none is named.

    Raises:
        InputError: a file cannot be read, or holds no text.
    """
    if not files:
        return Haystack(tokenizer, standing_texts, STANDING)
    from gemcli.ingest.collect import collect
    from gemcli.parts import Text

    documents = collect(files, on_event=show, stdin="auto")
    texts = [
        part.text for document in documents for part in document.parts if isinstance(part, Text) and part.text
    ]
    name = documents[0].source if len(documents) == 1 else f"{len(documents):,} files"
    if not texts:
        raise InputError(f"there is no text in {name}", "Name files that hold text.")
    return Haystack(tokenizer, lambda: iter(["\n\n".join(texts)]), name)


def standing_texts() -> Iterator[str]:
    """Python's language reference, then what its modules say of themselves: 1.7 million characters.

    Raises:
        GemcliError: this Python was stripped of its help.
    """
    import sysconfig

    yield standing_text() + "\n\n"
    folder = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(folder.rglob("*.py")):
        if _SKIPPED.isdisjoint(path.relative_to(folder).parts) and (said := _said(path)):
            yield "\n\n".join([*said, ""])


def _said(path: Path) -> list[str]:
    """The longer docstrings of a module."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    found = (ast.get_docstring(node) or "" for node in nodes)
    return [text for text in found if len(text) >= _LONG]
