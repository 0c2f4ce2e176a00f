"""Our likelihoods and greedy continuations against transformers itself, and the goldens against it too."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from model.card import ModelCard
from model.engine.engine import Engine
from model.sampling.sampler import Sampling

GOLDEN = Path(__file__).parent / "golden"
NAMES = ("smollm2-135m", "gemma-3-270m", "qwen2.5-coder-0.5b")

pytestmark = [pytest.mark.weights, pytest.mark.slow]


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def live(card: ModelCard, reference: ModuleType) -> Any:
    """transformers with the same file; with ``CI=true`` it must be there."""
    missing = [package for package in reference.PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        why = f"{', '.join(missing)} missing; the extra `parity` brings it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
    return reference.Reference(card.path)


@pytest.fixture(scope="module")
def ids(card: ModelCard, cases: ModuleType) -> list[int]:
    return cases.text_ids(card)


@pytest.fixture(scope="module")
def theirs(live: Any, ids: list[int]) -> np.ndarray:
    """The reference's logits [T, V] over the text."""
    return live.logits(ids)


def test_f32_gives_the_references_likelihoods(
    theirs: np.ndarray, exact: Engine, ids: list[int], compare: ModuleType
) -> None:
    ours = exact.score(ids)
    apart = np.abs(compare.next_logprobs(ours, ids) - compare.next_logprobs(theirs, ids))
    assert len(apart) >= 512
    assert apart.mean() <= compare.MOST_EXACT
    assert 0 <= compare.mean_kl(theirs, ours) <= compare.MOST_EXACT


def test_the_default_path_predicts_as_the_reference(
    theirs: np.ndarray, default: Engine, ids: list[int], compare: ModuleType
) -> None:
    assert 0 <= compare.mean_kl(theirs, default.score(ids)) <= compare.most_divergence()


def test_the_default_path_continues_as_the_reference(
    live: Any, default: Engine, card: ModelCard, cases: ModuleType
) -> None:
    """Ours is the reference's greedy continuation where each of its tokens is the reference's likeliest."""
    parted = {}
    for number, prompt in enumerate(cases.prompts(card)):
        ours = list(
            default.generate(prompt, sampling=Sampling(), limit=cases.CONTINUED, stop=card.tokenizer.eog_ids)
        )
        assert len(ours) >= 32
        likeliest = live.logits([*prompt, *ours[:-1]])[len(prompt) - 1 :].argmax(-1).tolist()
        if ours != likeliest:
            parted[number] = card.tokenizer.decode(ours)
    assert len(parted) <= 1, parted


def test_the_golden_is_what_the_reference_says(
    name: str, live: Any, theirs: np.ndarray, ids: list[int], compare: ModuleType
) -> None:
    with np.load(GOLDEN / f"{name}.npz") as golden:
        assert golden["ids"].tolist() == ids
        logprobs = compare.next_logprobs(theirs, ids)
        np.testing.assert_allclose(golden["logprobs"], logprobs, atol=compare.SAME)
        at, top_ids = golden["at"], golden["top_ids"]
        here = np.take_along_axis(compare.log_softmax(theirs[at]), top_ids, -1)
        np.testing.assert_allclose(golden["top_logprobs"], here, atol=compare.SAME)
        for number in range(5):
            prompt, greedy = (golden[f"{kind}_{number}"].tolist() for kind in ("prompt", "greedy"))
            rows = live.logits([*prompt, *greedy[:-1]])[len(prompt) - 1 :]
            short = rows.max(-1) - np.take_along_axis(rows, np.array(greedy)[:, None], -1)[:, 0]
            assert short.max() <= compare.SAME, (number, int(short.argmax()))
