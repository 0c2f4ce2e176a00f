"""How tokenizer.json cuts text into words: found again among the families that are known here.

The families are those of `model.tokenizer.pretokenizers`; what is compared is the structure of the
pre-tokenizer and its pattern, character by character.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.errors import UnsupportedModelError
from model.tokenizer.pretokenizers import FAMILIES, Family


def family_name(described: Mapping[str, Any], *, whole_words: bool) -> str:
    """A name in `FAMILIES` for the way in which a byte-level tokenizer.json cuts.

    A normalizer to NFC is left out: bytes are kept, so that quotations can be found in the source.

    Args:
        described: the contents of tokenizer.json.
        whole_words: its model takes a word that is in the vocabulary as it is (`ignore_merges`).

    Raises:
        UnsupportedModelError: it is none of the known families; the message shows what it is.
    """
    normalizer = described.get("normalizer")
    if normalizer not in (None, {"type": "NFC"}):
        raise UnsupportedModelError(f"the normalizer of tokenizer.json is not known here: {normalizer!r}")
    cutter = described.get("pre_tokenizer")
    found = _structure(cutter)
    for name, family in FAMILIES.items():
        if found == (family.pattern, family.digits) and family.whole_words == whole_words:
            return name
    merged = " with ignore_merges" if whole_words else ""
    raise UnsupportedModelError(f"the pre-tokenizer of tokenizer.json{merged} is not known here: {cutter!r}")


def _structure(cutter: Any) -> tuple[str | None, bool] | None:
    """(pattern, digits) as in `Family`; None for any other structure."""
    steps = _steps(cutter)
    if not steps or steps[-1].get("type") != "ByteLevel" or steps[-1].get("add_prefix_space") is not False:
        return None
    *before, last = steps
    if last.get("use_regex", True):
        if not before:
            return None, Family().digits
        return (None, True) if before == [{"type": "Digits", "individual_digits": True}] else None
    if len(before) != 1 or before[0].get("type") != "Split":
        return None
    split = before[0]
    pattern = split.get("pattern")
    plain = split.get("behavior") == "Isolated" and split.get("invert") is False
    if plain and isinstance(pattern, Mapping) and isinstance(pattern.get("Regex"), str):
        return pattern["Regex"], False
    return None


def _steps(cutter: Any) -> list[Mapping[str, Any]] | None:
    if not isinstance(cutter, Mapping):
        return None
    steps = cutter.get("pretokenizers") if cutter.get("type") == "Sequence" else [cutter]
    if isinstance(steps, list) and all(isinstance(step, Mapping) for step in steps):
        return steps
    return None
