"""Writes a vocabulary as the protocol buffer that the `sentencepiece` library loads.

Field numbers: sentencepiece_model.proto of google/sentencepiece.
"""

from __future__ import annotations

import numpy as np

from model.tokenizer.vocabulary import Kind, Vocabulary

SPACE = "\u2581"
"""How pieces spell a space."""

_BPE = 2
_NO_PIECE = -1
_TAIL = 7


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
