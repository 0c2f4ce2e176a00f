"""The process of an engine: what it answers, what it measures of itself, and what it keeps to itself."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from gemcli.bench.process import environment

FAKE = """
import sys, time
from gemcli.bench import contender, engines

class Fake:
    def __init__(self, path, context, device, attention):
        assert (str(path), context, device, attention) == ("a model.gguf", 64, "cpu", "dense")
        print("a library greets")
        self.held = bytearray(80_000_000)
        time.sleep(0.05)
    def run(self, ids, tokens):
        print("a library mutters", flush=True)
        return float(len(ids)), float(tokens)

contender.ENGINES["fake"] = Fake
contender.main("fake", "a model.gguf", "64", "cpu", "dense")
"""


def talk(code: str, *requests: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_answers_are_all_that_stdout_gets() -> None:
    (ready, first, second), errors = talk(FAKE, {"ids": [1, 2, 3], "tokens": 5}, {"ids": [1], "tokens": 2})
    assert ready["load_s"] >= 0.05
    assert (first["first_token_s"], first["decode_s"]) == (3, 5)
    assert (second["first_token_s"], second["decode_s"]) == (1, 2)
    assert "a library greets" in errors
    assert errors.count("a library mutters") == 2


def test_the_peak_is_its_own() -> None:
    hoard = bytearray(b"x") * 600_000_000  # what this process holds is not the engine's
    (_, timing), _ = talk(FAKE, {"ids": [1], "tokens": 2})
    assert len(hoard) == 600_000_000
    assert 80_000_000 < timing["peak_bytes"] < 500_000_000


def test_spinning_while_it_waits_is_measured() -> None:
    spin = """
import threading
def spin():
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
class Spins(Fake):
    def run(self, ids, tokens):
        lap = super().run(ids, tokens)
        threading.Thread(target=spin).start()
        return lap
contender.ENGINES["fake"] = Spins
"""
    code = FAKE.replace('contender.main("fake"', f'{spin}\ncontender.main("fake"')
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        found = []
        for _ in range(2):
            print('{"ids": [1], "tokens": 2}', file=child.stdin, flush=True)
            found.append(json.loads(child.stdout.readline()))
            time.sleep(1.0)
        child.stdin.close()
    assert found[0]["idle_cpu_s"] < 0.1
    assert found[1]["idle_cpu_s"] > 0.2
    assert found[1]["idle_s"] > 0.9
