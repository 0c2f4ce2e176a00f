"""JSON Schema as a constraint on tokens, by llguidance, that always finds its end.

A small model gladly fills its last token with the middle of a string.  So while room gets scarce, each token
is taken only if the shortest way found to end the answer still fits behind it; otherwise the answer takes
that way.  Whitespace is fixed, since it is where small models lose themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from model.sampling.constraint import ConstraintError, no_tokens, only
from model.tokenizer.base import Tokenizer

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

_LAYOUT: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_SOON = 64  # tokens of room from which on every token's way out is looked for
_OFTEN = 32  # tokens between two looks before that
_CLOSING = '"}]0'
"""What is tried first on the way out: what closes (a string before all else: in it brackets are text), then the
shortest values."""
_TRIES = 4
_DEEP = 500  # tokens
_LONGEST = 10_000  # bytes of the shortest answer that a schema may ask for

_VOCABULARIES: WeakKeyDictionary[Tokenizer, dict[int, Vocabulary]] = WeakKeyDictionary()


class Vocabulary:
    """The tokens of a model as llguidance knows them.  Making it takes about a second for 262,144 tokens.

    Attributes:
        size: V, how many logits there are.
        library: the library's own.
    """

    def __init__(self, library: LLTokenizer, ends: frozenset[int], size: int, singles: Mapping[int, int]):
        self.library = library
        self.size = size
        self.ends = ends
        first = [singles[ord(each)] for each in _CLOSING if ord(each) in singles]
        rest = [singles[byte] for byte in sorted(singles) if byte > 0x20 and chr(byte) not in _CLOSING]
        self._first, self._rest = np.array(first, np.int64), np.array(rest, np.int64)
        self._chance = np.random.default_rng(0).permuted(np.tile(self._rest, (_TRIES, 1)), axis=1)

    def order(self, attempt: int, step: int) -> np.ndarray:
        """Single bytes in the order in which a way out is looked for: int64 [n].

        What closes comes first.  The rest is there for patterns, in which the same choice may always lead in
        a circle: so each attempt has another order, and the later ones another at each step.
        """
        if attempt == 0:
            rest = self._rest
        elif attempt == 1:
            rest = self._rest[::-1]
        else:
            rest = np.roll(self._chance[attempt], 7 * step)
        return np.concatenate([self._first, rest])

    @staticmethod
    def of(tokenizer: Tokenizer, size: int) -> Vocabulary:
        """The vocabulary of a tokenizer; the same one when it is asked for again.

        Args:
            tokenizer: of the model.
            size: V, which may be more than the tokenizer has.
        """
        made = _VOCABULARIES.setdefault(tokenizer, {})
        if size not in made:
            made[size] = _vocabulary(tokenizer, size)
        return made[size]


def json_grammar(schema: Mapping[str, Any] | bool) -> str:
    """A grammar for the JSON values that satisfy a schema, on one line with a space behind ``,`` and ``:``.

    Args:
        schema: JSON Schema, draft 2020-12 (the older ones as far as they agree with it).

    Raises:
        ConstraintError: the schema is wrong, has a keyword that cannot be held to while an answer is made,
            or nothing of bearable length satisfies it.
    """
    from llguidance import LLMatcher, LLParserLimits

    if isinstance(schema, bool):
        schema = {"anyOf": [schema]}
    text = json.dumps({key: value for key, value in schema.items() if key != "x-guidance"})
    try:
        grammar = LLMatcher.grammar_from_json_schema(text, overrides=_LAYOUT)
    except ValueError as error:
        raise ConstraintError(_line(str(error))) from None
    wrong, said = LLMatcher.validate_grammar_with_warnings(
        grammar, limits=LLParserLimits(verbose_errors=False)
    )
    if wrong:
        raise ConstraintError(_line(said[0]))
    bytewise = _bytewise()
    if _way_out(_matcher(bytewise, grammar), bytewise, _LONGEST) is None:
        raise ConstraintError(f"nothing of less than {_LONGEST:,} characters satisfies it")
    return grammar


class GrammarConstraint:
    """Holds an answer to a grammar; a `model.sampling.constraint.Constraint`.

    Args:
        grammar: from `json_grammar`, or another of llguidance's.
        vocabulary: of the model.

    Raises:
        ConstraintError: the grammar is wrong.
    """

    def __init__(self, grammar: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._matcher = _matcher(vocabulary, grammar)
        self._exit: list[int] = []  # the way out that is being taken, or the one known from here
        self._need = 0  # tokens of the last way out that was found
        self._taken = 0
        self._end_said = False
        self.hurried = False

    @property
    def complete(self) -> bool:
        """Whether the grammar is satisfied."""
        return self._matcher.is_accepting()

    @property
    def ended(self) -> bool:
        """Whether nothing may follow."""
        return self._end_said or (self._matcher.is_stopped() and not self._matcher.is_error())

    def mask(self) -> np.ndarray:
        """See `model.sampling.constraint.Constraint.mask`."""
        if self.hurried:
            return only(self._exit[:1] or self._vocabulary.ends, self._vocabulary.size)
        return _mask(self._matcher, self._vocabulary)

    def forced(self) -> Sequence[int]:
        """See `model.sampling.constraint.Constraint.forced`."""
        return self._exit if self.hurried else self._matcher.compute_ff_tokens()

    def take(self, token: int, room: int) -> int:
        """See `model.sampling.constraint.Constraint.take`."""
        if self.hurried and self._exit:
            token = self._exit.pop(0)
            self._consume(token)
            self._end_said = not self._exit
            return token
        if token in self._vocabulary.ends and self.complete:
            self._end_said = True
            return token
        self._consume(token)
        self._taken += 1
        if self.ended or not self._is_due(room):
            return token
        way = self._way(room)
        if way is not None:
            self._need = len(way)
            return token
        if not self._matcher.rollback(1):
            raise ConstraintError(self._matcher.get_error())
        way = self._way(room + 1)
        if not way:  # there was none before this token either: the answer will be cut
            if way is None:
                self._consume(token)
                return token
            self._end_said = self.hurried = True
            return min(self._vocabulary.ends, default=token)
        self.hurried = True
        self._exit = way
        return self.take(token, room)

    def _is_due(self, room: int) -> bool:
        """Whether the way out is to be looked for now."""
        return room <= _SOON + 2 * self._need or self._taken % _OFTEN == 1

    def _way(self, room: int) -> list[int] | None:
        return _way_out(self._matcher, self._vocabulary, room)

    def _consume(self, token: int) -> None:
        if not self._matcher.consume_token(token):
            why = _line(self._matcher.get_error())
            raise ConstraintError(f"token {token} is not allowed here: {why}")


def _way_out(matcher: LLMatcher, vocabulary: Vocabulary, room: int) -> list[int] | None:
    """Few tokens that complete the answer, at most `room`; None where none are found.

    Raises:
        ConstraintError: the grammar is too large for the library's limits.
    """
    for attempt in range(_TRIES):
        copy = matcher.deep_copy()
        way: list[int] = []
        while len(way) <= room:
            if copy.is_accepting():
                return way
            forced = copy.compute_ff_tokens()
            if not forced:
                mask = _mask(copy, vocabulary)
                order = vocabulary.order(attempt, len(way))
                allowed = order[mask[order // 32] >> (order % 32).astype(np.uint32) & 1 == 1]
                if len(allowed) == 2 and allowed[0] == order[0]:  # `"` or a bracket: a member, or none
                    allowed = allowed[::-1]
                token = int(allowed[0]) if len(allowed) else _first(mask)
                if token is None:
                    break
                forced = [token]
            if not copy.consume_tokens(forced):
                if len(way) < _DEEP:
                    raise ConstraintError(_line(copy.get_error()))
                break  # in a circle, until a limit of the library's
            way += forced
    return None


def _first(mask: np.ndarray) -> int | None:
    """The first token that a mask allows."""
    found = np.flatnonzero(mask)
    if not len(found):
        return None
    word = int(mask[found[0]])
    return int(found[0]) * 32 + (word & -word).bit_length() - 1


def _mask(matcher: LLMatcher, vocabulary: Vocabulary) -> np.ndarray:
    mask = no_tokens(vocabulary.size)
    matcher.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
    if matcher.is_error():
        raise ConstraintError(_line(matcher.get_error()))
    return mask


def _matcher(vocabulary: Vocabulary, grammar: str) -> LLMatcher:
    from llguidance import LLMatcher, LLParserLimits

    made = LLMatcher(vocabulary.library, grammar, log_level=0, limits=LLParserLimits(verbose_errors=False))
    if made.is_error():
        raise ConstraintError(_line(made.get_error()))
    return made


class _Spelled:
    """What llguidance asks of a tokenizer."""

    def __init__(self, tokens: list[bytes], special: list[int], end: int, tokenizer: Tokenizer | None):
        self.tokens = tokens
        self.special_token_ids = special
        self.eos_token_id = end
        self.bos_token_id = None
        self._tokenizer = tokenizer

    def __call__(self, text: bytes | str) -> list[int]:
        data = text.encode() if isinstance(text, str) else text
        if self._tokenizer is None:
            return list(data)
        return self._tokenizer.encode(data.decode("utf-8", "replace"))


def _vocabulary(tokenizer: Tokenizer, size: int) -> Vocabulary:
    tokens = [tokenizer.token_bytes(id) for id in range(min(size, tokenizer.vocab_size))]
    tokens += [b""] * (size - len(tokens))
    ends = frozenset(id for id in tokenizer.eog_ids if id < size)
    never = {id for id in tokenizer.suppress_ids if id < size} - ends
    return _made(tokens, ends, never, tokenizer)


def _bytewise() -> Vocabulary:
    """A vocabulary in which each byte is a token."""
    return _made([*(bytes([byte]) for byte in range(256)), b""], frozenset({256}), set(), None)


def _made(
    tokens: list[bytes], ends: frozenset[int], never: set[int], tokenizer: Tokenizer | None
) -> Vocabulary:
    from llguidance import LLTokenizer, TokenizerWrapper

    silent = [id for id, spelled in enumerate(tokens) if not spelled or id in ends or id in never]
    singles: dict[int, int] = {}
    for id, spelled in enumerate(tokens):
        if len(spelled) == 1 and id not in never:
            singles.setdefault(spelled[0], id)
    for id in silent:
        tokens[id] = b"<[%d]>" % id
    # A model whose file names no end still needs one that it never reaches.
    end = sorted(ends) or [next(iter(silent), len(tokens) - 1)]
    library = LLTokenizer(
        TokenizerWrapper(_Spelled(tokens, silent, end[0], tokenizer)),
        n_vocab=len(tokens),
        eos_token=end,
        slices=LLTokenizer.json_slices(),
    )
    return Vocabulary(library, ends, len(tokens), singles)


def _line(text: str) -> str:
    """A message of the library's on one line."""
    return " ".join(text.split())[:300]
