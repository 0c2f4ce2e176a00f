"""Bytes become text: byte order mark, then strict UTF-8, then what the file declares, then a detector.

Each step must decode every byte and give text that looks like text; otherwise the bytes are no text.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from gemcli.ingest.kinds import BINARY, kind_name
from gemcli.ingest.source import KindError
from gemcli.plural import plural

_BOMS = (  # the longer mark first: that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"(?:encoding|charset|coding)\s*[=:]\s*[\"']?([A-Za-z][\w.:-]{1,30})")
_ISO_2022 = re.compile(rb"\x1b\$[@B()]")
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_CONTROLS = bytes(byte for byte in (*range(0x20), 0x7F) if byte not in b"\t\n\v\f\r\b\x1b")
_PLAIN_WHITE = "\t\n\v\f\r\b\x1b"

_MAX_CONTROLS = 0.01  # share of control characters; prose and code have none, random bytes a tenth
_SAMPLE = 1 << 16
_DETECT = 1 << 18
_HIGH = bytes(range(0x80, 0x100))
_MANY_HIGH = 32


class UndecodableError(ValueError):
    """The bytes are not text in any encoding that could be told."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with ``\\n`` at the end of its lines.

    Attributes:
        text: the text; line ends of Windows and of old Macs are made ``\\n``.
        encoding: the name of the encoding.
        warning: what was guessed or lost, as a sentence; None when nothing was.
    """

    text: str
    encoding: str
    warning: str | None = None


def decode(data: bytes) -> Decoded:
    """Decode the bytes of a text file.

    Raises:
        UndecodableError: they are not text.
    """
    found = _marked(data) or _utf8(data) or _declared(data) or _wide(data) or _damaged_utf8(data)
    found = found or _detected(data)
    if found is None and data.isascii() and _few_controls(data):
        found = Decoded(data.decode("ascii"), "utf-8")
    if found is None:
        raise UndecodableError
    text = found.text
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Decoded(text, found.encoding, found.warning)


def decode_named(name: str, data: bytes, decoder: Callable[[bytes], Decoded] = decode) -> Decoded:
    """Decode the bytes of the file that is shown as `name`.

    Raises:
        KindError: `decoder` finds no text in them.
    """
    try:
        return decoder(data)
    except UndecodableError:
        raise KindError(
            f"{name} is no text: its bytes make none in any known encoding", kind_name(BINARY)
        ) from None


def looks_like_text(head: bytes) -> bool:
    """Whether a file that begins with `head` may be text; never False when `head` is all of a text."""
    if any(head.startswith(mark) for mark, _ in _BOMS) or _few_controls(head):
        return True
    whole = len(head) // 4 * 4  # a head may end within a character, or within a pair of surrogates
    return any(_wide(head[:end]) is not None for end in {len(head), whole, max(0, whole - 2)})


def _marked(data: bytes) -> Decoded | None:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            text = _strict(data[len(mark) :], encoding)
            if text is not None and _plausible(text):
                return Decoded(text, encoding)
            text = data[len(mark) :].decode(encoding, "replace")
            lost = text.count("�")
            if _plausible(text) and lost <= 1 + len(text) // 100:
                return Decoded(text, encoding, _lost(lost, encoding))
    return None


def _utf8(data: bytes) -> Decoded | None:
    if not _few_controls(data) or (data.isascii() and _ISO_2022.search(data)):
        return None
    text = _strict(data, "utf-8")
    return None if text is None else Decoded(text, "utf-8")


def _declared(data: bytes) -> Decoded | None:
    """The encoding that an XML declaration, an HTML meta element or a Python cookie names."""
    match = _DECLARED.search(data[:2048])
    if match is None or not _few_controls(data):
        return None
    try:
        encoding = codecs.lookup(match[1].decode("ascii"))
    except LookupError:
        return None
    if encoding.name.startswith(("utf", "ascii")) or not encoding._is_text_encoding:
        return None
    text = _strict(data, encoding.name)
    return Decoded(text, encoding.name) if text is not None and _plausible(text) else None


def _wide(data: bytes) -> Decoded | None:
    """UTF-16 or UTF-32 without a mark.

    The high bytes of a script's characters are few, the low ones many; and there are spaces and line ends,
    whose high byte is zero.
    """
    sample = data[:_SAMPLE]
    if len(sample) < 4 or b"\0" not in sample:
        return None
    kinds = [len(set(sample[start::4])) for start in range(4)]
    candidates: list[str] = []
    if len(data) % 4 == 0 and not any(sample[3::4]) and kinds[2] <= 3:
        candidates.append("utf-32-le")
    if len(data) % 4 == 0 and not any(sample[0::4]) and kinds[1] <= 3:
        candidates.append("utf-32-be")
    if len(data) % 2 == 0:
        even, odd = len(set(sample[0::2])), len(set(sample[1::2]))
        little = odd <= even
        low, high = (sample[0::2], sample[1::2]) if little else (sample[1::2], sample[0::2])
        if high.count(0) > low.count(0):
            candidates.append("utf-16-le" if little else "utf-16-be")
    for encoding in candidates:
        text = _strict(data, encoding)
        if text is not None and _plausible(text) and _mostly_words(text):
            return Decoded(text, encoding, f"has no byte order mark; read as {encoding.upper()} (a guess)")
    return None


def _damaged_utf8(data: bytes) -> Decoded | None:
    """UTF-8 with a few wrong bytes, such as a log that was cut in the middle of a character."""
    if not _few_controls(data):
        return None
    right = len(_MULTIBYTE.findall(data))
    text = data.decode("utf-8", "replace")
    wrong = text.count("�") - data.count("�".encode())
    cut_short = wrong == 1 and text.endswith("�") and right > 0
    if wrong == 0 or (not cut_short and wrong * 10 > right):
        return None
    return Decoded(text, "utf-8", _lost(wrong, "utf-8"))


def _detected(data: bytes) -> Decoded | None:
    if not _few_controls(data):
        return None
    encoding = _guess(_telling(data))
    if encoding is None:
        return None
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        return None
    text = _strict(data, name)
    if text is None or not _plausible(text):
        return None
    return Decoded(text, name, f"is not UTF-8; read as {name} (a guess)")


def _guess(data: bytes) -> str | None:
    """The detector's answer.

    Over few bytes it is led astray by rare code pages, so there only the usual ones are asked, and the
    commonest wins when it is nearly as likely as the best.
    """
    import chardet

    many = len(data) - len(data.translate(None, _HIGH)) >= _MANY_HIGH
    era = chardet.EncodingEra.ALL if many else chardet.EncodingEra.MODERN_WEB
    guesses = chardet.detect_all(
        data, ignore_threshold=True, encoding_era=era, prefer_superset=True, compat_names=False
    )
    likely = [guess for guess in guesses if guess["confidence"] >= 0.7 * guesses[0]["confidence"]]
    if not many and any(guess["encoding"] == "cp1252" for guess in likely):
        return "cp1252"
    return guesses[0]["encoding"] if guesses else None


def _telling(data: bytes) -> bytes:
    """At most `_DETECT` bytes that tell the encoding: the lines with bytes outside ASCII come first."""
    if len(data) <= _DETECT:
        return data
    lines: list[bytes] = []
    size = 0
    for match in re.finditer(rb"[^\n]*[\x80-\xff\x1b][^\n]*\n?", data):
        line = match[0][: _DETECT - size]
        lines.append(line)
        size += len(line)
        if size >= _DETECT:
            break
    return b"".join(lines) or data[:_DETECT]


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, UnicodeError):
        return None


def _few_controls(data: bytes) -> bool:
    """Whether bytes may be text in an encoding that keeps ASCII: no zero byte, hardly a control byte."""
    if b"\0" in data:
        return False
    controls = 0
    for start in range(0, len(data), _SAMPLE):
        block = data[start : start + _SAMPLE]
        controls += len(block) - len(block.translate(None, _CONTROLS))
    return controls <= _MAX_CONTROLS * len(data)


def _plausible(text: str) -> bool:
    """Whether decoded characters are such as people write: few controls, unassigned or private ones."""
    sample = text[:_SAMPLE]
    odd = sum(unicodedata.category(char) in _ODD and char not in _PLAIN_WHITE for char in set(sample))
    if odd == 0:
        return True
    odd = sum(unicodedata.category(char) in _ODD and char not in _PLAIN_WHITE for char in sample)
    return odd <= _MAX_CONTROLS * len(sample)


def _mostly_words(text: str) -> bool:
    """Whether at least seven tenths of the characters are letters, digits, marks or white space."""
    sample = text[:_SAMPLE]
    wordy = sum(char.isalnum() or char.isspace() or unicodedata.combining(char) > 0 for char in sample)
    return wordy >= 0.7 * len(sample)


_ODD = frozenset({"Cc", "Cn", "Co", "Cs"})


def _lost(count: int, encoding: str) -> str:
    are = plural(count, "character is", "characters are")
    return f"{count} {are} not valid {encoding.upper()}; shown as �"
