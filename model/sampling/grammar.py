"""JSON Schema as a constraint on tokens, by llguidance, that always finds its end.

A small model gladly fills its last token with the middle of a string.  So while room gets scarce, each token
is taken only if the shortest way found to end the answer still fits behind it; otherwise the answer takes
that way.  Whitespace is fixed, since it is where small models lose themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from model.sampling.constraint import WORD, ConstraintError, no_tokens, only
from model.sampling.vocabulary import Vocabulary, bytewise

if TYPE_CHECKING:
    from llguidance import LLMatcher

_LAYOUT: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_SOON = 64  # tokens of room from which on every token's way out is looked for
_OFTEN = 32  # tokens between two looks before that
_TRIES = ((40, False), (4, False), (4, True))
"""Ways of looking for a way out, in turn: with how many choices a bracket still closes something rather than
being one more character of a string, and whether the rest is tried in another order each time."""
_DEEP = 50  # tokens
_LONGEST = 4_000  # bytes of the shortest answer that a schema may ask for


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
    plain = bytewise()
    if _way_out(_matcher(plain, grammar), plain, _LONGEST) is None:
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
    for few, at_random in _TRIES:
        copy = matcher.deep_copy()
        chance = np.random.default_rng(0) if at_random else None
        way: list[int] = []
        seen: set[bytes] = set()
        dull: set[bytes] = set()
        while len(way) <= room:
            if copy.is_accepting():
                return way
            step = copy.compute_ff_tokens() or _closer(copy, vocabulary, few, chance, seen, dull)
            if not step:
                break
            if not copy.consume_tokens(step):
                if len(way) < _DEEP:
                    raise ConstraintError(_line(copy.get_error()))
                break  # in a circle, until a limit of the library's
            way += step
    return None


def _closer(
    matcher: LLMatcher,
    vocabulary: Vocabulary,
    few: int,
    chance: np.random.Generator | None,
    seen: set[bytes],
    dull: set[bytes],
) -> list[int]:
    """What leads nearer to the end: what closes, else what leads to where something can be closed, else
    something new.

    Args:
        matcher: as it stands; it is left so.
        vocabulary: its tokens.
        few: choices among which a bracket closes something.
        chance: another order each time; None for always the same.
        seen: the choices that there were on this way, which grow.
        dull: those of them from which nothing new was to be had: not looked through again.
    """
    mask = _mask(matcher, vocabulary)
    choices = vocabulary.allowed(mask)
    here = choices.tobytes()
    seen.add(here)
    quote = vocabulary.quote
    brackets = [each for each in vocabulary.brackets if each in choices] if len(choices) <= few else []
    if quote in choices and not (brackets and len(choices) == 2):  # with two: a member, or none
        return [quote]
    if brackets:
        return brackets[:1]
    if not len(choices):
        return _first(mask)
    order = choices if chance is None else chance.permuted(choices)
    if here in dull:
        order = order[:1]
    for each in map(int, order):
        if each not in vocabulary.openers and matcher.validate_tokens([each, quote]) == 2:
            return [each]
    for each in map(int, order):
        if not matcher.consume_token(each):
            return []
        after = vocabulary.allowed(_mask(matcher, vocabulary)).tobytes()
        is_new = after not in seen or matcher.is_accepting()
        if not matcher.rollback(1):
            return []
        if is_new:
            return [each]
    dull.add(here)
    return [int(order[0])]


def _first(mask: np.ndarray) -> list[int]:
    """The first token that a mask allows, if it allows one."""
    found = np.flatnonzero(mask)
    if not len(found):
        return []
    word = int(mask[found[0]])
    return [int(found[0]) * WORD + (word & -word).bit_length() - 1]


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


def _line(text: str) -> str:
    """A message of the library's on one line."""
    return " ".join(text.split())[:300]
