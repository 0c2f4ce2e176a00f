"""The fit finds the curve that points were taken from, and says how well it fits where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from gemcli.bench.power_law import FLATTEST, STEEPEST, Fit, fit

PLACES = [round(64 * 2 ** (step / 4)) for step in range(37)]


@pytest.mark.parametrize(
    ("alpha", "beta", "gamma"),
    [(5.0, -0.3, 2.0), (40.0, -1.0, 1.5), (2.0, -0.05, 0.4), (3.0, -0.5, 0.0), (1e6, -3.0, 2.2)],
)
def test_a_curve_is_found_again(alpha: float, beta: float, gamma: float) -> None:
    found = fit(PLACES, [alpha * x**beta + gamma for x in PLACES])
    assert found is not None
    assert found.beta == pytest.approx(beta, rel=2e-3)
    assert found.alpha == pytest.approx(alpha, rel=1e-2)
    assert found.gamma == pytest.approx(gamma, abs=2e-2)
    assert found.r2 > 0.999999
    assert found.at(1000) == pytest.approx(alpha * 1000**beta + gamma, rel=1e-4)


def test_noise_costs_little() -> None:
    draw = np.random.default_rng(0)
    losses = [5 * x**-0.3 + 2 + draw.normal(0, 0.01) for x in PLACES]
    found = fit(PLACES, losses)
    assert found is not None
    assert found.beta == pytest.approx(-0.3, abs=0.05)
    assert 0.99 < found.r2 < 1


def test_no_other_exponent_does_better() -> None:
    draw = np.random.default_rng(1)
    losses = np.array([3 * x**-0.4 + 1 + draw.normal(0, 0.05) for x in PLACES])
    found = fit(PLACES, losses.tolist())
    assert found is not None
    total = ((losses - losses.mean()) ** 2).sum()
    for beta in np.linspace(-2, -0.02, 199):
        rows = np.stack([np.array(PLACES) ** beta, np.ones(len(PLACES))], 1)
        (_, gamma), error, *_ = np.linalg.lstsq(rows, losses, rcond=None)
        if gamma >= 0:
            assert found.r2 >= 1 - error[0] / total - 1e-9


def test_no_text_is_better_than_certain() -> None:
    """A straight line in log(x) would run below zero."""
    found = fit(PLACES, [2 - 0.2 * np.log(x / 64) for x in PLACES])
    assert found is not None
    assert found.gamma >= 0
    assert STEEPEST <= found.beta <= FLATTEST


def test_a_rising_curve_has_a_negative_factor() -> None:
    found = fit(PLACES, [3 - x**-0.5 for x in PLACES])
    assert found is not None
    assert found.alpha == pytest.approx(-1, rel=1e-2)


def test_what_has_no_curve() -> None:
    assert fit(PLACES[:3], [3.0, 2.0, 1.0]) is None
    flat = fit(PLACES, [2.0] * len(PLACES))
    assert flat is not None
    assert flat.at(500) == pytest.approx(2)
    assert Fit(1, -1, 1, 0).at(2) == 1.5
