"""One holder at a time; the lock dies with its holder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gemcli.errors import GemcliError
from gemcli.hub import lock
from gemcli.hub.lock import store_lock

HOLDER = """
import sys, time
from pathlib import Path
from gemcli.hub.lock import store_lock
with store_lock(Path(sys.argv[1]), "pulling something", None):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "store")],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_refused_or_waits_until_the_holder_dies(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with (
        pytest.raises(GemcliError, match="another gemcli is pulling something"),
        store_lock(tmp_path / "store", "removing", None),
    ):
        pass
    said: list[str] = []

    def on_wait(who: str) -> None:
        said.append(who)
        if len(said) == 2:
            holder.kill()

    with store_lock(tmp_path / "store", "pulling", on_wait):
        assert (tmp_path / "store" / lock.NAME).read_text() == "pulling"
    assert set(said) == {"pulling something"}
    assert (tmp_path / "store" / lock.NAME).read_text() == ""


def test_the_lock_is_let_go_after_an_exception(tmp_path: Path) -> None:
    def fails() -> None:
        with store_lock(tmp_path / "store", "failing", None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    with store_lock(tmp_path / "store", "again", None):
        assert (tmp_path / "store" / lock.NAME).read_text() == "again"


@pytest.mark.skipif(os.name == "nt", reason="flock is POSIX")
def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(GemcliError, match="allows no locks"), store_lock(tmp_path / "store", "x", None):
        pass
