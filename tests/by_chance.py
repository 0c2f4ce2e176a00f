"""Answers by chance: what a model with random weights writes under a constraint, as fast as chance allows."""

from __future__ import annotations

import numpy as np
from scripted import ByteTokenizer

from model.sampling.constraint import unpacked
from model.sampling.grammar import GrammarConstraint
from model.sampling.vocabulary import Vocabulary

TOKENIZER = ByteTokenizer()
VOCABULARY = Vocabulary.of(TOKENIZER, TOKENIZER.vocab_size)


def chance(grammar: str, rng: np.random.Generator, limit: int) -> tuple[str, GrammarConstraint]:
    """An answer of at most so many tokens, each drawn from what may come."""
    rule = GrammarConstraint(grammar, VOCABULARY)
    said: list[int] = []
    while len(said) < limit and not rule.ended:
        tokens = list(rule.forced())
        if not tokens:
            allowed = np.flatnonzero(unpacked(rule.mask(), VOCABULARY.size))
            plain = allowed[allowed < 127]
            tokens = [int(rng.choice(plain if len(plain) and rng.random() < 0.95 else allowed))]
        for each in tokens[: limit - len(said)]:
            said.append(rule.take(each, limit - len(said) - 1))
            if said[-1] != each or rule.ended:
                break
    return TOKENIZER.decode(said), rule
