"""A vocabulary as the protocol buffer of the `sentencepiece` library: written for it, read from its files.

Field numbers: sentencepiece_model.proto of google/sentencepiece.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from model.errors import FormatError, UnsupportedModelError
from model.tokenizer.fallback import SPACE
from model.tokenizer.vocabulary import Kind, Vocabulary

_BPE = 2
_NO_PIECE = -1
_TAIL = 7
_SCORE = struct.Struct("<f")
_KINDS = frozenset(map(int, Kind))
_SPECIAL = {40: ("unknown", 0), 41: ("bos", 1), 42: ("eos", 2)}  # fields of the trainer's, with defaults


@dataclass(frozen=True, slots=True)
class SpmModel:
    """What a tokenizer.model holds.

    Attributes:
        pieces, scores, kinds: of each token; a kind is a `Kind`.
        special: ``unknown``, ``bos`` and ``eos`` → id, negative for none.
        space_prefix: a text gets a space before it.
    """

    pieces: list[str]
    scores: list[float]
    kinds: list[int]
    special: dict[str, int]
    space_prefix: bool


def read_proto(data: bytes) -> SpmModel:
    """Reads a ModelProto of type BPE.

    Raises:
        FormatError: it is none, or damaged.
        UnsupportedModelError: it is of another type, or changes the text that it is given.
    """
    try:
        return _read_model(data)
    except (ValueError, IndexError, struct.error):
        raise FormatError("tokenizer.model is damaged; download it again") from None


def _read_model(data: bytes) -> SpmModel:
    pieces: list[str] = []
    scores: list[float] = []
    kinds: list[int] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for field, value in _fields(data):
        if field == 1 and isinstance(value, bytes):
            text, score, kind = _piece(value)
            pieces.append(text)
            scores.append(score)
            kinds.append(kind)
        elif field == 2 and isinstance(value, bytes):
            trainer = dict(_fields(value))
        elif field == 3 and isinstance(value, bytes):
            normalizer = dict(_fields(value))
    if not pieces:
        raise ValueError
    if trainer.get(3, 1) != _BPE:
        raise UnsupportedModelError("tokenizer.model is not of the type BPE")
    if normalizer.get(2) or normalizer.get(4, 1) or normalizer.get(5, 1) != 1:
        raise UnsupportedModelError(
            "tokenizer.model changes the text: it normalizes it, or squeezes its spaces"
        )
    special = {name: _signed(trainer.get(field, default)) for field, (name, default) in _SPECIAL.items()}
    return SpmModel(pieces, scores, kinds, special, bool(normalizer.get(3, 1)))


def _piece(data: bytes) -> tuple[str, float, int]:
    """(text, score, kind) of a piece.  As the library writes it, it is read at sight: there are many."""
    size = data[1]
    tail = size + 2
    if data[0] == 0x0A and size < 0x80 and len(data) - tail in (5, _TAIL) and data[tail] == 0x15:
        (score,) = _SCORE.unpack_from(data, tail + 1)
        if len(data) == tail + 5:
            return data[2:tail].decode(), score, Kind.NORMAL
        if data[tail + 5] == 0x18 and data[tail + 6] in _KINDS:
            return data[2:tail].decode(), score, data[tail + 6]
    fields = dict(_fields(data))
    text, packed, kind = fields.get(1, b""), fields.get(2, b"\0\0\0\0"), fields.get(3, 1)
    if not isinstance(text, bytes) or not isinstance(packed, bytes) or kind not in _KINDS:
        raise ValueError
    return text.decode(), _SCORE.unpack(packed)[0], int(kind)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field of a message: numbers as they are, all else as its bytes."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        kind = tag & 7
        if kind == 0:
            number, at = _read_varint(data, at)
            yield tag >> 3, number
            continue
        if kind == 2:
            size, at = _read_varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError
        if at + size > len(data):
            raise ValueError
        yield tag >> 3, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = data[at]
    at += 1
    if value < 0x80:
        return value, at
    value &= 0x7F
    for shift in range(7, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError


def _signed(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError
    return value - (1 << 64) if value >> 63 else value


def model_proto(vocabulary: Vocabulary, scores: list[float]) -> bytes:
    """A ModelProto of type BPE with byte fallback that changes nothing about the text it is given.

    Reserved tokens become control pieces, which no text can match; a user-defined piece with real
    spaces (as converters of Gemma write them) gets the library's space character.
    """
    kinds = bytearray(vocabulary.kinds)
    for id in vocabulary.reserved.values():
        kinds[id] = Kind.UNKNOWN if id == vocabulary.unknown_id else Kind.CONTROL
    spelled = list(map(str.encode, vocabulary.pieces))
    for piece, id in vocabulary.user_defined.items():
        spelled[id] = piece.replace(" ", SPACE).encode()
    tails = np.empty((len(kinds), _TAIL), np.uint8)
    tails[:, 0] = 0x15  # field 2, the score
    tails[:, 1:5] = np.asarray(scores, "<f4")[:, None].view(np.uint8)
    tails[:, 5] = 0x18  # field 3, the type
    tails[:, 6] = np.frombuffer(kinds, np.uint8)
    packed = tails.tobytes()
    heads = {length: _piece_head(length) for length in set(map(len, spelled))}
    # One flat list, filled column by column: this loop is felt at every start of the program.
    parts = [b""] * (3 * len(spelled))
    parts[0::3] = [heads[length] for length in map(len, spelled)]
    parts[1::3] = spelled
    parts[2::3] = [packed[at : at + _TAIL] for at in range(0, len(packed), _TAIL)]
    special = ((40, vocabulary.unknown_id), (41, vocabulary.bos_id), (42, vocabulary.eos_id), (43, None))
    trainer = _number(3, _BPE) + _number(35, 1)  # byte fallback
    for field, id in special:
        trainer += _number(field, _NO_PIECE if id is None else id)
    for field, id in special:
        if id is not None:
            trainer += _bytes(field + 5, vocabulary.pieces[id].encode())
    # No dummy prefix, no squeezing of spaces, spaces escaped.
    normalizer = _bytes(1, b"identity") + _number(3, 0) + _number(4, 0) + _number(5, 1)
    parts += [_bytes(2, trainer), _bytes(3, normalizer)]
    return b"".join(parts)


def _piece_head(length: int) -> bytes:
    """The bytes before a piece of `length` bytes: field 1 of the model, then field 1 of the piece."""
    inner = b"\x0a" + _varint(length)
    return b"\x0a" + _varint(len(inner) + length + _TAIL) + inner


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
