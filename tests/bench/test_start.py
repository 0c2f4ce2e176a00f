"""Commands that fail while they are timed say why, and leave no server behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemcli.bench import start
from gemcli.bench.process import environment
from gemcli.client.daemon import socket_path
from gemcli.errors import GemcliError


def test_a_command_is_timed_to_its_first_byte_and_to_its_end() -> None:
    first, end = start._timed(("--version",), environment())
    assert 0 < first <= end < 60


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(GemcliError, match=r"`gemcli ask` failed: .*nowhere\.txt"):
        start._timed(("ask", "What?", "nowhere.txt", "--host", "none"), environment())


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    env = start._alone(tmp_path)
    with (
        pytest.raises(GemcliError, match=r"did not start: .*nothing-here"),
        start._serving(("-m", str(tmp_path / "nothing-here.gguf")), env),
    ):
        pass
    assert not list(tmp_path.rglob("*.sock"))


def test_medians() -> None:
    assert start._row("ask", [(1.0, 5.0), (3.0, 4.0), (2.0, 9.0)]) == {
        "command": "ask",
        "first_byte_s": 2.0,
        "end_s": 5.0,
        "fastest_first_byte_s": 1.0,
        "runs": 3,
    }


def test_what_the_person_set_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMCLI_HOST", "GEMCLI_API_KEY", "GEMCLI_PORT", "GEMCLI_PRIVATE", "GEMCLI_JSON"):
        monkeypatch.setenv(name, "1")
    env = start._alone(tmp_path)
    assert {name for name in env if name.startswith("GEMCLI_")} == {"GEMCLI_HOME"}
    monkeypatch.setenv("GEMCLI_HOME", env["GEMCLI_HOME"])
    assert socket_path() == tmp_path.joinpath(*start._SOCKET)
