"""Contenders that answer, chatter, die, hang and are interrupted; none outlives its `with` block."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gemcli.bench import process
from gemcli.bench.process import Contender, environment, module_command
from gemcli.errors import GemcliError, OutOfMemoryError

READY = "print('{\"load_s\": 0.25}', flush=True)"
SERVES = f"""
import json, sys
{READY}
for line in sys.stdin:
    wanted = json.loads(line)
    print(json.dumps(dict(first_token_s=len(wanted["ids"]), decode_s=wanted["tokens"], idle_s=0, idle_cpu_s=0,
                          peak_bytes=None)), flush=True)
"""


def contender(code: str) -> Contender:
    return Contender("fake", [sys.executable, "-c", code])


def pid(engine: Contender) -> int:
    return engine._process.pid


def gone(number: int) -> bool:
    """Whether no process has the number: it ended, and was waited for."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_is_loaded_inside_the_block_and_runs_when_asked() -> None:
    with contender(SERVES) as engine:
        assert engine.load_s == 0.25
        for count in (3, 5):
            timing = engine.run(range(count), 2)
            assert (timing.first_token_s, timing.decode_s, timing.peak_bytes) == (count, 2, None)
    assert engine._process.returncode == 0, "it ended by itself"
    assert gone(pid(engine))


def test_a_library_may_chatter_as_much_as_it_likes() -> None:
    chatter = "import sys; sys.stderr.write('x' * 1_000_000); sys.stderr.flush()\n"
    with contender(chatter + SERVES) as engine:
        assert engine.run([1], 2).first_token_s == 1


def test_one_that_cannot_load_says_why() -> None:
    code = "import sys; print('noise', file=sys.stderr); raise ValueError('the file is cut short')"
    engine = contender(code)
    with pytest.raises(GemcliError, match=r"^fake failed: ValueError: the file is cut short$"), engine:
        pytest.fail("it is not loaded")
    assert gone(pid(engine))


@pytest.mark.parametrize("word", ["", "half a line"])
def test_one_that_dies_in_a_run_is_an_error(word: str) -> None:
    code = f"{READY}\ninput()\nprint({word!r}, end='', flush=True)\nimport os; os._exit(7)"
    with pytest.raises(GemcliError, match=r"^fake failed: exit status 7$"), contender(code) as engine:
        engine.run([1], 2)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_one_that_the_system_killed_ran_out_of_memory() -> None:
    code = f"{READY}\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(OutOfMemoryError, match="fake was ended by the system"), contender(code) as engine:
        engine.run([1], 2)


def test_one_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE_S", 0.2)
    with contender(f"{READY}\nimport time; time.sleep(600)") as engine:
        pass
    assert gone(pid(engine))


def test_after_a_failure_nothing_is_waited_for() -> None:
    engine = contender(f"{READY}\nimport time; time.sleep(600)")
    began = time.monotonic()
    with pytest.raises(KeyError), engine:
        raise KeyError
    assert time.monotonic() - began < process.PATIENCE_S
    assert gone(pid(engine))


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    sleeps = f"{READY}; import time; time.sleep(600)"
    code = f"""
import sys
from pathlib import Path
from gemcli.bench.process import Contender
with Contender("fake", [sys.executable, "-c", {sleeps!r}]) as engine:
    Path({str(noted)!r}).write_text(str(engine._process.pid))
    print("on", flush=True)
    engine.run([1], 2)
"""
    running = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "on\n"
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    assert gone(int(noted.read_text()))


def test_the_package_is_found_from_anywhere_and_nothing_there_is_taken_for_a_library(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('this is no library')")
    done = subprocess.run(
        module_command("gemcli.bench.contender", "gemcli", str(tmp_path / "none.gguf"), "64", "cpu", "auto"),
        cwd=tmp_path,
        env=environment() | {"GEMCLI_HOME": str(tmp_path / "home")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    assert "none.gguf" in done.stderr.splitlines()[-1]
    assert "no library" not in done.stderr
