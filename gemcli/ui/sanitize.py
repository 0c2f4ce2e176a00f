"""Nothing that a model or a document says may drive the terminal.

Escape sequences and control characters are taken out of a stream of text pieces.  A sequence may be
split anywhere between two pieces: its beginning is held back until it is known what it is.  A well-formed
sequence is dropped whole; of a malformed one only the control characters go and the rest is shown, so
that no text is ever swallowed by a sequence that never ends.

Grammar: ECMA-48 (5th edition) §5.4 (control sequences) and §5.6 (control strings), 7-bit and 8-bit forms.
"""

from __future__ import annotations

import re

_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
_BIDI = r"\u202a-\u202e\u2066-\u2069"  # Trojan Source (CVE-2021-42574): they reorder what is shown
BIDI = re.compile(f"[{_BIDI}]")

# Bounds on what is held back; real sequences stay far below them.
_CSI_HEAD = r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}"
_STRING_HEAD = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x1f\x7f-\x9f]{0,4096}"

_SEQUENCE = rf"{_CSI_HEAD}[@-~]|{_STRING_HEAD}(?:\x07|\x9c|\x1b\\)|\x1b[ -/]{{1,8}}[0-~]|\x1b[0-~]"
_BEGUN = re.compile(rf"(?:{_CSI_HEAD}|{_STRING_HEAD}\x1b?|\x1b[ -/]{{0,8}})\Z")

_FOR_TERMINAL = re.compile(rf"{_SEQUENCE}|[{_CONTROL}{_BIDI}]")
_FOR_PIPE = re.compile(rf"{_SEQUENCE}|[{_CONTROL}]")


class Sanitizer:
    """Cleans one stream of text, piece by piece.

    The concatenation of what `push` and `flush` return depends only on the concatenation of what was
    pushed, never on where it was split; it holds no control character but tab and newline.

    Args:
        terminal: also take out the bidirectional overrides, isolates and embeddings.
    """

    def __init__(self, *, terminal: bool) -> None:
        self._unsafe = _FOR_TERMINAL if terminal else _FOR_PIPE
        self._held = ""

    def push(self, text: str) -> str:
        """The part of everything pushed so far that has become safe to show."""
        text = self._held + text
        self._held = ""
        if not self._unsafe.search(text):
            return text
        clean: list[str] = []
        at = 0
        for found in self._unsafe.finditer(text):
            begun = _BEGUN.match(text, found.start())
            if begun is not None:
                clean.append(text[at : found.start()])
                self._held = text[found.start() :]
                return "".join(clean)
            clean.append(text[at : found.start()])
            at = found.end()
        clean.append(text[at:])
        return "".join(clean)

    def flush(self) -> str:
        """What was held back, now that nothing can complete it."""
        held, self._held = self._held, ""
        return self._unsafe.sub("", held)


def clean(text: str, *, terminal: bool) -> str:
    """A whole text without escape sequences and control characters (tab and newline stay)."""
    sanitizer = Sanitizer(terminal=terminal)
    return sanitizer.push(text) + sanitizer.flush()


def clean_line(text: str, *, terminal: bool) -> str:
    """A message as one line: cleaned, line breaks and tabs as single spaces."""
    return " ".join(clean(text, terminal=terminal).split())
