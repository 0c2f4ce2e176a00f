"""Thirty-two clients at once are each told what they are told alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "crowd.py"


@pytest.mark.slow
@pytest.mark.weights
def test_clients_at_once_are_told_what_they_are_told_alone(weights: Callable[[str], Path]) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, str(weights("smollm2-135m")), "12"],
        capture_output=True,
        text=True,
        timeout=500,
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[1])},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["clients"], said["identical"]) == (32, 32)
