"""The vocabulary that a GGUF file carries, checked: its pieces, their kinds, the tokens with a meaning.

Source of the kinds and names: llama-vocab.cpp of llama.cpp; `eos_token_ids`, a list, is of Ollama's files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from model.errors import FormatError


class Kind(IntEnum):
    """What a token is (`tokenizer.ggml.token_type`)."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


_ENDS_AN_ANSWER = frozenset({
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>",
    "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "<|end_of_text|>", "<end_of_utterance>", "<turn|>",
    "<|tool_response>", "<｜end▁of▁sentence｜>", "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<|fim_repo|>",
    "<|repo_name|>", "<fim-repo>", "<reponame>", "<|file_sep|>",
})  # fmt: skip
_ENDS_AN_ANSWER_AS_CONTROL = frozenset({"</s>", "<eos>", "[EOS]", "<PAD>", "[PAD]", "<REPO>"})
"""These are also plain text (HTML's `</s>` is a user-defined token of Gemma 3)."""

_FRAMING = re.compile(r"<\|[^<>]*>|<[^<>]*\|>|<(?:start|end)_of_\w+>|<\w+_soft_token>")
"""Marks around turns and media, which some files call user-defined."""

_ID_KEYS = ("eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep")


@dataclass(frozen=True)
class Vocabulary:
    """Pieces as the file spells them, and what they are.

    ids: piece → id.
    kinds: one Kind a token, as bytes.
    reserved: piece → id of the tokens that only trusted text may spell.
    user_defined: piece → id of the tokens that match in any text, ahead of merging.
    eog_ids: tokens that end an answer.
    suppress_ids: tokens that may never be generated.
    """

    pieces: list[str]
    ids: dict[str, int]
    kinds: bytes
    reserved: dict[str, int]
    user_defined: dict[str, int]
    bos_id: int | None
    eos_id: int | None
    unknown_id: int | None
    eog_ids: frozenset[int]
    suppress_ids: frozenset[int]

    def is_control(self, id: int) -> bool:
        """Whether the token is a sign to the program; IndexError when there is no such token."""
        return self.kinds[id] in (Kind.CONTROL, Kind.UNKNOWN)


def read_vocabulary(
    metadata: Mapping[str, Any], *, bos: int | None = None, eos: int | None = None
) -> Vocabulary:
    """Takes the vocabulary out of GGUF metadata.

    Args:
        metadata: of the file.
        bos, eos: ids to assume where the file names none and they are in range.

    Raises:
        FormatError: lists that are missing or do not fit together, double pieces, ids out of range.
    """
    pieces = string_list(metadata, "tokenizer.ggml.tokens")
    if "" in pieces:
        pieces = [piece or f"[EMPTY_{id}]" for id, piece in enumerate(pieces)]
    ids = dict(zip(pieces, range(len(pieces)), strict=True))
    if len(ids) < len(pieces):
        double = next(piece for id, piece in enumerate(pieces) if ids[piece] != id)
        raise FormatError(f"the vocabulary has the token {double!r} twice")
    kinds = _read_kinds(metadata, len(pieces))
    named = {key: _read_id(metadata, key, len(pieces)) for key in ("bos", "unknown", *_ID_KEYS)}
    eog = {id for key in _ID_KEYS if (id := named[key]) is not None}
    eog.update(_read_ids(metadata, "eos_token_ids", len(pieces)))
    eog.update(ids[piece] for piece in _ENDS_AN_ANSWER if piece in ids)
    eog.update(
        ids[piece]
        for piece in _ENDS_AN_ANSWER_AS_CONTROL
        if piece in ids and kinds[ids[piece]] == Kind.CONTROL
    )
    if eos is not None and named["eos"] is None and eos < len(pieces):
        named["eos"] = eos
        eog.add(eos)
    if bos is not None and named["bos"] is None and bos < len(pieces):
        named["bos"] = bos
    for id in eog | {id for id in (named["bos"],) if id is not None}:
        kinds[id] = Kind.CONTROL
    if named["unknown"] is not None and kinds[named["unknown"]] != Kind.BYTE:
        kinds[named["unknown"]] = Kind.UNKNOWN
    reserved: dict[str, int] = {}
    user_defined: dict[str, int] = {}
    for id in _where(kinds, b"[\x02\x03\x04]"):
        piece = pieces[id]
        if kinds[id] == Kind.USER_DEFINED and not _FRAMING.fullmatch(piece):
            user_defined[piece] = id
        else:
            reserved[piece] = id
    return Vocabulary(
        pieces=pieces,
        ids=ids,
        kinds=bytes(kinds),
        reserved=reserved,
        user_defined=user_defined,
        bos_id=named["bos"],
        eos_id=named["eos"],
        unknown_id=named["unknown"],
        eog_ids=frozenset(eog),
        suppress_ids=frozenset(_read_ids(metadata, "suppress_tokens", len(pieces))),
    )


def string_list(metadata: Mapping[str, Any], key: str) -> list[str]:
    """A list of strings that must be there; FormatError when it is not."""
    values = metadata.get(key)
    if not isinstance(values, list) or not values or not isinstance(values[0], str):
        raise FormatError(f"the file has no list of strings {key!r}")
    return values


def flag(metadata: Mapping[str, Any], name: str, default: bool) -> bool:
    """The boolean `tokenizer.ggml.{name}`, or the default where the file is silent."""
    value = metadata.get(f"tokenizer.ggml.{name}", default)
    if not isinstance(value, bool):
        raise FormatError(f"tokenizer.ggml.{name} is {value!r}, not true or false")
    return value


def _read_kinds(metadata: Mapping[str, Any], count: int) -> bytearray:
    kinds = metadata.get("tokenizer.ggml.token_type")
    if kinds is None:
        return bytearray([Kind.NORMAL]) * count
    if not isinstance(kinds, list) or len(kinds) != count:
        raise FormatError(f"tokenizer.ggml.token_type is not a list of {count:,} kinds of token")
    try:
        return bytearray(kinds)
    except (TypeError, ValueError):
        raise FormatError("tokenizer.ggml.token_type holds values that are no kind of token") from None


def _read_id(metadata: Mapping[str, Any], name: str, count: int) -> int | None:
    key = f"tokenizer.ggml.{name}_token_id"
    id = metadata.get(key)
    if id is None or id in (-1, 0xFFFFFFFF):  # how converters write "none"
        return None
    if not isinstance(id, int) or not 0 <= id < count:
        raise FormatError(f"{key} is {id!r}, but the vocabulary has {count:,} tokens")
    return id


def _read_ids(metadata: Mapping[str, Any], name: str, count: int) -> list[int]:
    key = f"tokenizer.ggml.{name}"
    ids = metadata.get(key, [])
    if not isinstance(ids, list):
        raise FormatError(f"{key} is {ids!r}, not a list of tokens")
    for id in ids:
        if type(id) is not int or not 0 <= id < count:
            raise FormatError(f"{key} holds {id!r}, but the vocabulary has {count:,} tokens")
    return ids


def _where(kinds: bytearray, pattern: bytes) -> Iterator[int]:
    return (match.start() for match in re.finditer(pattern, kinds))


class Matcher:
    """Finds tokens in text: the leftmost, and of those that start together the longest."""

    def __init__(self, tokens: Mapping[str, int]) -> None:
        self._tokens = tokens
        self._lengths: dict[str, list[int]] = {}
        for piece in tokens:
            self._lengths.setdefault(piece[0], []).append(len(piece))
        for start, lengths in self._lengths.items():
            self._lengths[start] = sorted(set(lengths), reverse=True)
        starts = "".join(map(re.escape, self._lengths))
        self._starts = re.compile(f"[{starts}]") if starts else re.compile(r"(?!)")

    def find(self, text: str, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(begin, end, id) of each match that lies within text[begin:end], in order, without overlap."""
        at = begin
        while start := self._starts.search(text, at, end):
            at = start.start()
            for length in self._lengths[text[at]]:
                id = self._tokens.get(text[at : at + length])
                if id is not None and at + length <= end:
                    yield at, at + length, id
                    at += length
                    break
            else:
                at += 1
