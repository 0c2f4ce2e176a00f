"""Whoever is killed while it writes leaves what is whole, and nothing that only looks so."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 60
ENGINE_KILLS = 50
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


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="there are no such signals")
def test_an_engine_killed_at_any_moment_leaves_no_wrong_answer(tmp_path: Path) -> None:
    """A whole engine with its writer, killed while it reads, writes, and makes room."""
    root = tmp_path / "kept"
    environment = os.environ | {
        "PYTHONPATH": str(HERE.parents[1]),
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PLATFORMS": "cpu",
    }

    def start(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(HERE / "answerer.py"), str(root), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def check() -> int:
        done = start("check")
        out, err = done.communicate(timeout=300)
        assert done.returncode == 0, err
        found = json.loads(out)
        assert found["same"] == found["of"] == 24
        return found["restored"]

    check()  # compiles, and leaves something to be restored
    rng, busy, before = random.Random(3), 0, set(root.rglob("*"))
    for kill in range(ENGINE_KILLS):
        child = start("write", str(kill))
        assert child.stdout is not None
        assert child.stdout.readline() == "begins\n", child.communicate()[1]
        time.sleep(rng.uniform(0.05, 1.2))
        child.kill()
        _, err = child.communicate()
        assert child.returncode == -9, err
        now = set(root.rglob("*"))
        busy, before = busy + (now != before), now
        if kill % 25 == 24:
            assert check() > 0
    assert busy > ENGINE_KILLS / 5, "many were killed while files came and went"
