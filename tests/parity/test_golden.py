"""Our likelihoods and greedy continuations against what transformers said of the same files (make_golden)."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gemcli.hub import catalog
from model.card import ModelCard
from model.engine.engine import Engine
from model.sampling.sampler import Sampling

GOLDEN = Path(__file__).parent / "golden"
NAMES = ("smollm2-135m", "gemma-3-270m", pytest.param("qwen2.5-coder-0.5b", marks=pytest.mark.slow))

pytestmark = pytest.mark.weights

Arrays = dict[str, Any]


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def golden(name: str) -> Arrays:
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def scored(default: Engine, golden: Arrays) -> np.ndarray:
    """Logits [T, V] of the default path over the golden's text."""
    return default.score(golden["ids"].tolist())


def test_it_was_made_from_the_file_that_is_pulled(name: str, golden: Arrays) -> None:
    assert str(golden["sha256"]) == catalog.find(name).sha256


def test_its_text_and_prompts_are_those_of_our_tokenizer(
    golden: Arrays, card: ModelCard, cases: ModuleType
) -> None:
    assert golden["ids"].tolist() == cases.text_ids(card)
    prompts = cases.prompts(card)
    assert [golden[f"prompt_{number}"].tolist() for number in range(len(prompts))] == prompts


@pytest.mark.slow
def test_f32_gives_the_references_likelihoods(exact: Engine, golden: Arrays, compare: ModuleType) -> None:
    ids = golden["ids"].tolist()
    apart = np.abs(compare.next_logprobs(exact.score(ids), ids) - golden["logprobs"])
    assert len(apart) >= 512
    assert apart.mean() <= compare.MOST_EXACT


def test_the_default_path_predicts_as_the_reference(
    scored: np.ndarray, golden: Arrays, compare: ModuleType
) -> None:
    ours = scored[golden["at"]]
    divergence = compare.mean_kl_of_top(golden["top_ids"], golden["top_logprobs"], ours)
    assert 0 <= divergence <= compare.most_divergence()
    likeliest = golden["top_logprobs"][:, 0] - golden["top_logprobs"][:, 1] > compare.CLEAR
    assert (ours.argmax(-1) == golden["top_ids"][:, 0])[likeliest].all()


def test_the_default_path_loses_no_likelihood(
    scored: np.ndarray, golden: Arrays, compare: ModuleType
) -> None:
    ours = compare.next_logprobs(scored, golden["ids"])
    assert abs(ours.mean() - golden["logprobs"].mean()) <= compare.most_divergence()


@pytest.mark.slow
def test_the_default_path_continues_as_the_reference(
    default: Engine, card: ModelCard, golden: Arrays, compare: ModuleType, cases: ModuleType
) -> None:
    parted = {}
    for number in range(5):
        wanted = golden[f"greedy_{number}"].tolist()
        assert len(wanted) >= 32
        prompt = golden[f"prompt_{number}"].tolist()
        ours = list(
            default.generate(prompt, sampling=Sampling(), limit=cases.CONTINUED, stop=card.tokenizer.eog_ids)
        )
        if (at := compare.first_difference(ours, wanted)) is not None:
            parted[number] = (at, card.tokenizer.decode(ours[at:]), card.tokenizer.decode(wanted[at:]))
    assert len(parted) <= 1, parted
