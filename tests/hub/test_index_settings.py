"""The indexes that people configured for pip and uv, found without either."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemcli.hub import index_settings


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No configuration of this machine; `tmp_path/pip`, `tmp_path/uv` and `tmp_path/prefix` are searched."""
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    monkeypatch.setattr(index_settings, "_folders", lambda tool: [tmp_path / tool])
    monkeypatch.setattr("sys.prefix", str(tmp_path / "prefix"))
    for name in ("pip", "uv", "prefix"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_nothing_is_built_in() -> None:
    assert index_settings.indexes() == []


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"])
def test_variables(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "https://a.example/simple/")
    assert index_settings.indexes() == ["https://a.example/simple"]


def test_further_indexes_come_after_the_main_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://main.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://b.example/simple https://main.example/simple")
    monkeypatch.setenv("UV_INDEX", "inner=https://c.example/simple")
    assert index_settings.indexes() == [
        "https://main.example/simple",
        "https://c.example/simple",
        "https://b.example/simple",
    ]


def test_files_of_pip(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folders / "pip" / "pip.conf").write_text("[global]\nindex-url = https://user.example/simple\n")
    assert index_settings.indexes() == ["https://user.example/simple"]
    text = "[global]\nindex_url = https://site.example/simple\nextra-index-url =\n    https://x.example/a\n"
    (folders / "prefix" / "pip.conf").write_text(text + "    https://x.example/b\n")
    assert index_settings.indexes() == [
        "https://site.example/simple",
        "https://x.example/a",
        "https://x.example/b",
    ]
    own = folders / "own.conf"
    own.write_text(
        "[global]\nindex-url = https://no.example/simple\n[download]\nindex-url = https://own.example/s\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(own))
    assert index_settings.indexes()[0] == "https://own.example/s"


def test_files_of_uv(folders: Path) -> None:
    (folders / "uv" / "uv.toml").write_text(
        '[[index]]\nurl = "https://more.example/simple"\n'
        '[[index]]\nurl = "https://uv.example/simple"\ndefault = true\n'
    )
    assert index_settings.indexes() == ["https://uv.example/simple", "https://more.example/simple"]


def test_broken_files_are_passed_over(folders: Path) -> None:
    (folders / "pip" / "pip.conf").write_bytes(b"\xff no section")
    (folders / "uv" / "uv.toml").write_text("= broken")
    assert index_settings.indexes() == []
