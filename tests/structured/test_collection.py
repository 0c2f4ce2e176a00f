"""A hundred schemas of a public collection: every answer validates, whoever writes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from by_chance import VOCABULARY, chance
from schemas import WANTED, suite, usable

from gemcli.errors import UsageError
from gemcli.structured.schema import made
from model.sampling.constraint import ConstraintError
from model.sampling.grammar import GrammarConstraint

_KNOWN = ("date", "ipv4", "ipv6", "uuid", "email")  # formats that both sides mean the same by


def validator(schema: Any) -> Any:
    checker = jsonschema.FormatChecker(formats=_KNOWN)
    return jsonschema.Draft202012Validator(schema, format_checker=checker)


def refusal(schema: Any) -> str:
    """Why a schema is refused; "" where it is not."""
    try:
        made(schema)
    except UsageError as error:
        return error.message
    return ""


def test_every_answer_by_chance_validates(material: Callable[[str], Path]) -> None:
    schemas = usable(material)
    assert len(schemas) == WANTED
    assert len({json.dumps(schema) for _, schema, _, _ in schemas}) == WANTED
    rng = np.random.default_rng(7)
    for name, schema, ready, _ in schemas:
        for limit in (120, 250):
            text, rule = chance(ready.grammar, rng, limit)
            assert rule.complete, name
            errors = list(validator(schema).iter_errors(json.loads(text)))
            assert not errors, f"{name}: {text}"


def test_what_is_invalid_cannot_be_written(material: Callable[[str], Path]) -> None:
    refused = 0
    for name, schema, ready, examples in usable(material):
        for example in examples:
            if example["valid"] or list(validator(schema).iter_errors(example["data"])) == []:
                continue
            text = json.dumps(example["data"], ensure_ascii=False)
            rule = GrammarConstraint(ready.grammar, VOCABULARY)
            try:
                for token in text.encode():
                    rule.take(token, 10_000)
            except ConstraintError:
                refused += 1
                continue
            assert not rule.complete, f"{name}: {text}"
            refused += 1
    assert refused > 90


def test_what_cannot_be_held_to_is_refused_in_a_sentence(material: Callable[[str], Path]) -> None:
    refused = 0
    for name, schema, _ in suite(material):
        if said := refusal(schema):
            refused += 1
            assert len(said) < 400, name
            assert "\n" not in said, name
            assert "Parser" not in said, name
    assert refused > 30


@pytest.mark.slow
@pytest.mark.weights
def test_every_answer_of_a_real_model_validates(
    weights: Callable[[str], Path], material: Callable[[str], Path]
) -> None:
    from gemcli.pack.assemble import assemble
    from model.load import describe, load
    from model.sampling.sampler import Sampling

    card = describe(weights("smollm2-135m"))
    model = load(card)
    early = 0
    for name, schema, ready, _ in usable(material):
        prompt = assemble(
            [],
            "Make up an example.",
            system="",
            template=card.template,
            tokenizer=card.tokenizer,
            form=ready.told,
        )
        generation = model.stream(
            prompt.ids, sampling=Sampling(), max_tokens=64, constraint=ready.constraint(card)
        )
        text = "".join(generation)
        early += generation.finish_reason == "length"
        errors = list(validator(schema).iter_errors(json.loads(text)))
        assert not errors, f"{name}: {text}"
    assert early < 0.75 * WANTED  # so short a limit ends many early, and they are whole nevertheless
