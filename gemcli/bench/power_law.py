"""L(x) = α·x^β + γ fitted to points: how a loss falls with the length of what was read.

The form is that of the Gemini 1.5 report (2024, §5.2.1) for the average loss against position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STEEPEST, FLATTEST = -4.0, -0.005
_TRIED, _ROUNDS = 81, 6


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted curve.

    Attributes:
        alpha, beta, gamma: of L(x) = α·x^β + γ; β < 0, γ ≥ 0.
        r2: the part of the points' variance that it explains; below 0 where their mean does better.
    """

    alpha: float
    beta: float
    gamma: float
    r2: float

    def at(self, x: float) -> float:
        """L(x)."""
        return self.alpha * x**self.beta + self.gamma


def fit(positions: Sequence[float], losses: Sequence[float]) -> Fit | None:
    """The curve of least squares; None of fewer than four points, which any curve would meet.

    For a given β the best α and γ follow from a linear problem of two unknowns, so only β is searched: on a
    grid, then on finer ones around the best.  γ is no less than 0, what no text can fall below.

    Args:
        positions: of the points, positive.
        losses: at them.
    """
    import numpy as np

    if len(positions) < 4:
        return None
    x, y = np.asarray(positions, float), np.asarray(losses, float)
    log_x = np.log(x / x[0])

    def solve(beta: float) -> tuple[float, float, float]:
        """Squared error, α in units of the first position, and γ."""
        rise = np.exp(beta * log_x)
        spread = rise - rise.mean()
        alpha = float(spread @ (y - y.mean()) / (spread @ spread))
        gamma = float(y.mean() - alpha * rise.mean())
        if gamma < 0:
            alpha, gamma = float(rise @ y / (rise @ rise)), 0.0
        return float(((alpha * rise + gamma - y) ** 2).sum()), alpha, gamma

    # Even steps in log(-β): a flat curve needs finer ones than a steep one.
    low, high = np.log(-FLATTEST), np.log(-STEEPEST)
    best = low
    for _ in range(_ROUNDS):
        grid = np.linspace(low, high, _TRIED)
        best = min(grid, key=lambda each: solve(-float(np.exp(each)))[0])
        step = grid[1] - grid[0]
        low, high = max(best - step, np.log(-FLATTEST)), min(best + step, np.log(-STEEPEST))
    beta = -float(np.exp(best))
    error, alpha, gamma = solve(beta)
    total = float(((y - y.mean()) ** 2).sum())
    return Fit(alpha * float(x[0]) ** -beta, beta, gamma, 1 - error / total if total else 1.0)
