"""A model's kept prefixes, found by the way in which it is computed, and read while its weights are."""

from __future__ import annotations

from functools import partial

from model.cache.disk import DiskPrefixes
from model.cache.namespace import namespace
from model.cache.shelf import Shelf
from model.cache.state import State
from model.card import ModelCard
from model.decoder.decoder import Decoder
from model.engine.engine import trail_of
from model.engine.room import empty_shape, empty_state, room_for
from model.prompt import Expected

FLUSH_S = 10.0
"""How long to wait for what is still being written when an answer has ended."""


def kept_prefixes(
    shelf: Shelf | None,
    card: ModelCard,
    decoder: Decoder,
    weights: object,
    cache_bits: int,
    expected: Expected | None,
) -> DiskPrefixes | None:
    """The prefixes of a model that are kept on a shelf.

    Args:
        shelf: None keeps none.
        card: the model.
        decoder: how it is computed.
        weights: how they are held.
        cache_bits: of a cached key or value.
        expected: a prompt of which what is kept is read from now on, by a thread.

    Returns:
        None where nothing can be kept.
    """
    if shelf is None:
        return None
    files = [card.path] if card.encoders in (None, card.path) else [card.path, card.encoders]
    try:
        name = namespace([each for each in files if each], decoder, weights, cache_bits)
    except OSError:
        return None  # whoever reads the weights says what is wrong with the file
    shape = empty_shape(decoder, 1, cache_bits)
    prefixes = DiskPrefixes(shelf, name, partial(_empty, decoder, cache_bits), shape)
    if expected is not None:
        prompt = trail_of(decoder, expected.ids, expected.soft, expected.marks)
        prefixes.ahead(prompt, room_for(len(expected.ids), expected.limit))
    return prefixes


def _empty(decoder: Decoder, bits: int, tokens: int) -> State:
    return empty_state(decoder, tokens, bits)
