"""Whoever is killed while it writes leaves what is whole, and nothing that only looks so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 60
HERE = Path(__file__).parent


@pytest.mark.skipif(os.name != "posix", reason="there are no such signals and forks")
def test_killed_at_any_moment(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "writer.py"), str(tmp_path), str(KILLS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    assert done.returncode == 0, done.stderr
    killed, found, torn, lost = map(int, done.stdout.split())
    assert killed == KILLS, "each wrote until it was killed"
    assert found > KILLS, "there was something to be damaged"
    assert torn, "some were killed in the middle of a file"
    assert not lost, "what is there can be come to"
