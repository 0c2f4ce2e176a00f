"""How text is cut into words before byte-level BPE merges within them: one entry a family.

The patterns are those of the models' own tokenizer.json (Hugging Face); the names are the values of
`tokenizer.ggml.pre`, grouped as in llama-vocab.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.errors import UnsupportedModelError

if TYPE_CHECKING:
    from tokenizers.pre_tokenizers import PreTokenizer


@dataclass(frozen=True)
class Family:
    """A way to cut.

    pattern: of the words; None for GPT-2's own, which the library has built in.
    digits: every digit is first cut off by itself.
    whole_words: a word that is in the vocabulary is one token, whatever the merges say.
    add_bos: what holds when the file does not say.
    """

    pattern: str | None = None
    digits: bool = False
    whole_words: bool = False
    add_bos: bool = False


_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_QWEN2 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
_QWEN35 = (
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
    rf"| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACES}"
)
_LLAMA3 = (
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
)
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
    rf"|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
)
_GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTIONS}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
)

_GPT2_FAMILY = Family()
_DIGITS_FAMILY = Family(digits=True)
_QWEN2_FAMILY = Family(_QWEN2)
_LLAMA3_FAMILY = Family(_LLAMA3, whole_words=True, add_bos=True)
_GPT4O_FAMILY = Family(_GPT4O)

FAMILIES: dict[str, Family] = {
    **dict.fromkeys(("default", "gpt-2", "phi-2", "olmo", "mpt", "gigachat", "exaone4"), _GPT2_FAMILY),
    **dict.fromkeys(
        ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"), _DIGITS_FAMILY
    ),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "kormo", "megrez", "stablelm2"), _QWEN2_FAMILY),
    "qwen35": Family(_QWEN35),
    **dict.fromkeys(
        ("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
        _LLAMA3_FAMILY,
    ),
    **dict.fromkeys(("dbrx", "smaug-bpe"), Family(_LLAMA3)),
    "tekken": Family(_TEKKEN, whole_words=True, add_bos=True),
    **dict.fromkeys(("gpt-4o", "llama4"), _GPT4O_FAMILY),
}
"""`tokenizer.ggml.pre` → its family."""


def family(name: object) -> Family:
    """The family of a pre-tokenizer; UnsupportedModelError when its rules are not known here."""
    if not isinstance(name, str) or name not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise UnsupportedModelError(f"the pre-tokenizer {name!r} is not known (known: {known})")
    return FAMILIES[name]


def build(family: Family) -> PreTokenizer:
    """The cutter of a family, as an object of the `tokenizers` library."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence, Split

    if family.pattern is not None:
        words = Split(Regex(family.pattern), "isolated")
        return Sequence([words, ByteLevel(add_prefix_space=False, use_regex=False)])
    words = ByteLevel(add_prefix_space=False, use_regex=True)
    return Sequence([Digits(individual_digits=True), words]) if family.digits else words
