"""Places and the configuration file: what is set is read back, and nothing else changes."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gemcli import settings
from gemcli.errors import GemcliError, UsageError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEMCLI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GEMCLI_MODELS", raising=False)
    return tmp_path / "home"


def write(text: str) -> Path:
    path = settings.config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def test_one_folder_may_hold_everything(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = (settings.config_dir(), settings.data_dir(), settings.cache_dir(), settings.models_dir())
    assert all(each == home or home in each.parents for each in places)
    assert not home.exists()  # asking for a place makes nothing
    monkeypatch.setenv("GEMCLI_MODELS", "~/elsewhere")
    assert settings.models_dir() == Path.home() / "elsewhere"


def test_the_xdg_variables_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMCLI_HOME")
    for kind, function in (
        ("CONFIG", settings.config_dir),
        ("DATA", settings.data_dir),
        ("CACHE", settings.cache_dir),
    ):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind))
        assert function() == tmp_path / kind / "gemcli"
        monkeypatch.setenv(f"XDG_{kind}_HOME", "relative")
        assert function().is_absolute()
        assert function().name == "gemcli"


def test_a_missing_file_is_empty() -> None:
    assert settings.load_config() == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('model = "a"\nbroken\n', 2),
        ("a = 1\na = 2\n", 2),
        ('model = "unended', 1),
        ("[table\n", 1),
        ("x = [1,\n", 2),
    ],
)
def test_broken_toml_names_the_file_and_line(text: str, line: int) -> None:
    path = write(text)
    with pytest.raises(UsageError) as caught:
        settings.load_config()
    assert str(path) in caught.value.message
    assert f"line {line}," in caught.value.message
    with pytest.raises(UsageError):
        settings.set_config("model", "b")
    assert path.read_text() == text


def test_bytes_that_are_no_text_are_said() -> None:
    path = write("")
    path.write_bytes(b"model = '\xff'")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        settings.load_config()


def test_a_folder_in_the_place_of_the_file_is_said() -> None:
    settings.config_path().mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot read"):
        settings.load_config()


def test_a_byte_order_mark_is_no_key() -> None:
    write("\ufeffmodel = 'a'\n")
    assert settings.load_config() == {"model": "a"}


def test_a_new_file_is_the_persons_own() -> None:
    path = settings.set_config("model", "smollm2-135m")
    assert path.read_text() == 'model = "smollm2-135m"\n'
    if os.name != "nt":
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0
    assert [each.name for each in path.parent.iterdir()] == ["config.toml"]


COMMENTED = """\
# my settings

model = "a"  # the quick one
stop = [
  "model = 1",  # not a key
  ']',
]
system = '''
model = 2
'''

# about the table
[table]
model = 3
"""


def test_setting_keeps_comments_order_and_other_keys() -> None:
    path = write(COMMENTED)
    settings.set_config("model", "b")
    assert path.read_text() == COMMENTED.replace('model = "a"  # the quick one', 'model = "b"')
    settings.set_config("stop", None)
    assert "not a key" not in path.read_text()
    settings.set_config("quiet", True)
    assert "'''\nquiet = true\n\n# about the table" in path.read_text()
    assert settings.load_config()["table"] == {"model": 3}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# only words\n", "# only words\nk = 1\n"),
        ("# only words", "# only words\nk = 1\n"),
        ("a = 2", "a = 2\nk = 1\n"),
        ("[t]\n", "k = 1\n[t]\n"),
        ("a = 2\r\n", "a = 2\r\nk = 1\r\n"),
        ('"k" = 3\n', "k = 1\n"),
        ("", "k = 1\n"),
    ],
)
def test_new_keys_find_their_place(before: str, after: str) -> None:
    path = write(before)
    settings.set_config("k", 1)
    assert path.read_bytes().decode() == after


def test_a_table_of_that_name_is_not_overwritten() -> None:
    path = write("[model]\nname = 1\n")
    with pytest.raises(UsageError, match="as a table"):
        settings.set_config("model", "a")
    assert path.read_text() == "[model]\nname = 1\n"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("a = 1\n")
    real.chmod(0o644)
    settings.config_path().parent.mkdir()
    settings.config_path().symlink_to(real)
    settings.set_config("model", "b")
    assert settings.config_path().is_symlink()
    assert real.read_text() == 'a = 1\nmodel = "b"\n'
    assert real.stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_written_is_said_and_leaves_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a = 1\n")

    def refuse(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(GemcliError, match=r"cannot write .*No space left"):
        settings.set_config("model", "b")
    assert path.read_text() == "a = 1\n"
    assert [each.name for each in home.iterdir()] == ["config.toml"]


def test_a_key_is_a_bare_word() -> None:
    with pytest.raises(UsageError):
        settings.set_config("a b", 1)


values = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs"])),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.text(st.characters(blacklist_categories=["Cs"])), max_size=4),
)
keys = st.sampled_from(["model", "system", "max-tokens", "top_p", "stop"])


@hypothesis_settings(max_examples=80, deadline=None)
@given(
    changes=st.lists(st.tuples(keys, st.one_of(st.none(), values)), max_size=8),
    start=st.sampled_from(["", COMMENTED]),
)
def test_any_changes_are_read_back(changes: list[tuple[str, object]], start: str) -> None:
    path = write(start)
    expected = tomllib.loads(start)
    for key, value in changes:
        settings.set_config(key, value)  # type: ignore[arg-type]
        expected.pop(key, None)
        if value is not None:
            expected[key] = value
    assert settings.load_config() == expected
    path.unlink(missing_ok=True)
