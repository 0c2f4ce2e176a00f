"""``gemcli pull`` and ``gemcli models`` as a person and a script meet them."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import typer
from typer.main import get_group

from gemcli.commands import deleting, models
from gemcli.commands.pull import pull
from gemcli.commands.session import Session
from gemcli.errors import GemcliError, ModelUnavailableError, UsageError
from gemcli.hub import aliases, catalog, devices, recorded, store
from gemcli.hub.catalog import Entry
from gemcli.hub.devices import Device
from gemcli.hub.source import HubSource
from gemcli.settings import models_dir, set_config
from model.arch.released import released
from tests.hub.conftest import Hub, content_of, make_entry

CONTENT = content_of(50_000)


class Shell:
    """Runs the commands in this process; gives back what they print."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        app = typer.Typer()
        app.command()(pull)
        app.add_typer(models.app, name="models")
        self._group = get_group(app)
        self._capfd = capfd

    def __call__(self, *arguments: str) -> SimpleNamespace:
        self._capfd.readouterr()
        session = Session()
        with self._group.make_context("gemcli", list(arguments), obj=session) as context:
            self._group.invoke(context)
        out, err = self._capfd.readouterr()
        return SimpleNamespace(out=out, err=err, session=session)

    def json(self, *arguments: str) -> dict[str, object]:
        said = self(*arguments, "-o", "json")
        assert said.session.output == "json"
        return json.loads(said.out)


@pytest.fixture
def shell(capfd: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capfd)


@pytest.fixture
def tiny(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A catalogue that holds one more model, which the hub serves."""
    hub.files["owner/tiny/tiny.gguf"] = CONTENT
    entry = make_entry(CONTENT, HubSource("owner/tiny", "tiny.gguf"))
    monkeypatch.setattr(catalog, "CATALOG", (*catalog.CATALOG, entry))
    monkeypatch.setattr(store, "CATALOG", catalog.CATALOG)
    return entry


@pytest.fixture(autouse=True)
def described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of these tests are no models: what they are made of is told by this stand-in."""
    module = ModuleType("model.load")
    config = released("smollm2-135m").config

    def describe(path: Path) -> SimpleNamespace:
        return SimpleNamespace(
            path=path,
            config=config,
            is_base=False,
            quantization="Q4_1",
            weights_bytes=98_000_000,
            vision=None,
            audio=None,
            encoders=None,
        )

    module.describe = describe  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "model.load", module)


def test_pull_prints_the_path_and_tells_the_rest_on_stderr(shell: Shell, tiny: Entry) -> None:
    said = shell("pull", "tiny")
    assert said.out == f"{recorded.final_path(tiny)}\n"
    assert "pulling tiny (0.1 MB); licence: Apache-2.0, https://example.org/licence" in said.err
    assert "does not answer" not in said.err


def test_pull_says_more_when_asked(shell: Shell, tiny: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "came from hub: owner/tiny, tiny.gguf" in shell("pull", "-v", "tiny").err
    assert "came from" not in shell("pull", "tiny").err


def test_pull_as_json(shell: Shell, tiny: Entry) -> None:
    path = str(recorded.final_path(tiny))
    answer = shell.json("pull", "tiny")
    row = {
        "name": "tiny",
        "path": path,
        "size": 50_000,
        "sha256": tiny.sha256,
        "licence": "Apache-2.0",
        "licence_url": "https://example.org/licence",
        "source": "hub: owner/tiny, tiny.gguf",
        "was_installed": False,
    }
    assert answer == {"schema_version": 1, "models": [row]}
    assert shell.json("pull", "--json", "tiny", "tiny")["models"] == [row | {"was_installed": True}]


def test_pull_repairs(shell: Shell, tiny: Entry) -> None:
    shell("pull", "tiny")
    path = recorded.final_path(tiny)
    path.write_bytes(b"?" + CONTENT[1:])
    said = shell("pull", "tiny")
    assert path.read_bytes() == CONTENT
    assert "is damaged; pulling it again" in said.err


def test_an_unknown_name_among_others_downloads_nothing(shell: Shell, tiny: Entry, hub: Hub) -> None:
    for wrong in ("tinny", "hf:owner"):
        with pytest.raises(UsageError):
            shell("pull", "tiny", wrong)
    assert hub.seen == []


def test_pull_offline_verifies_and_fetches_nothing(
    shell: Shell, tiny: Entry, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tiny", "hf:owner/tiny"):
        with pytest.raises(ModelUnavailableError, match="--offline forbids"):
            shell("pull", "--offline", name)
    assert hub.seen == []
    shell("pull", "tiny")
    hub.seen.clear()
    monkeypatch.setenv("GEMCLI_OFFLINE", "1")
    assert shell("pull", "tiny").out == f"{recorded.final_path(tiny)}\n"
    recorded.final_path(tiny).write_bytes(b"?" + CONTENT[1:])
    with pytest.raises(ModelUnavailableError, match="is damaged"):
        shell("pull", "tiny")
    assert hub.seen == []


@pytest.fixture
def remote(hub: Hub) -> str:
    lfs = {"sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}
    hub.listings["owner/repo"] = {"id": "owner/repo", "siblings": [{"rfilename": "m-Q4_0.gguf", "lfs": lfs}]}
    hub.files["owner/repo/m-Q4_0.gguf"] = CONTENT
    return "hf:owner/repo"


def test_a_model_of_a_hub_is_pulled_listed_shown_and_removed(
    shell: Shell, remote: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{remote}:Q4_0"
    path = shell("pull", remote).out.strip()
    assert Path(path).read_bytes() == CONTENT
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    again = shell("pull", remote)  # the hub is gone: what is here is verified
    assert again.out.strip() == path
    assert "verifying what is here" in again.err
    (row,) = [each for each in rows(shell) if each["name"] == name]
    assert row["installed"]
    assert row["path"] == path
    shown = shell.json("models", "show", remote)
    assert (shown["name"], shown["path"]) == (name, path)
    shell("models", "rm", "--yes", remote)
    assert not Path(path).exists()


def rows(shell: Shell) -> list[dict[str, object]]:
    found = shell.json("models", "list")["models"]
    assert isinstance(found, list)
    return found


def test_list_marks_the_default_and_what_is_here(shell: Shell, tiny: Entry) -> None:
    set_config("model", "tiny")
    before = {each["name"]: each for each in rows(shell)}
    assert next(iter(before)) == "qwen2.5-coder-1.5b"
    assert not before["tiny"]["installed"]
    assert [each["name"] for each in before.values() if each["default"]] == ["tiny"]
    shell("pull", "tiny")
    assert {each["name"]: each for each in rows(shell)}["tiny"]["state"] == "installed"
    plain = shell("models", "list").out.splitlines()
    assert plain[0].split() == ["name", "size", "licence", "window", "senses", "state"]
    (line,) = [each for each in plain if each.startswith("tiny")]
    assert line.endswith("installed, default")
    (line,) = [each for each in plain if each.startswith("gemma-3-270m")]
    assert "253.1 MB  Gemma Terms of Use   32,768" in line


def test_list_tells_of_damage_and_of_unfinished_downloads(
    shell: Shell, tiny: Entry, remote: str, hub: Hub
) -> None:
    shell("pull", "tiny")
    recorded.final_path(tiny).write_bytes(b"short")
    hub.cuts = [25_000] + [0] * 20
    with pytest.raises(ModelUnavailableError):
        shell("pull", remote)
    state = {each["name"]: each["state"] for each in rows(shell)}
    assert state["tiny"] == "damaged"
    assert state[f"{remote}:Q4_0"] == "50 % downloaded"
    with pytest.raises(ModelUnavailableError, match="not installed") as caught:
        shell("models", "rm", "--yes", remote)
    assert f"Unfinished: {remote}:Q4_0" in (caught.value.hint or "")
    shell("models", "rm", "--yes", f"{remote}:Q4_0")
    assert f"{remote}:Q4_0" not in {each["name"] for each in rows(shell)}


def test_show_before_and_after_the_pull(shell: Shell, tiny: Entry) -> None:
    before = shell.json("models", "show", "tiny")
    assert before["state"] == "not installed"
    assert before["sources"] == ["hub: owner/tiny, tiny.gguf"]
    assert "parameters" not in before
    shell("pull", "tiny")
    after = shell.json("models", "show", "tiny")
    assert after["sha256"] == tiny.sha256
    assert after["kv_bytes_per_token"] == 23_040
    assert after["parameters"] == 134_515_008
    text = shell("models", "show", "tiny").out
    assert "23,040 bytes a token at 16 bits, 12,240 at 8\n" in text
    assert "98.0 MB in memory, as it comes\n" in text
    assert re.search(r"^base model +no$", text, re.MULTILINE)


def test_show_verify(shell: Shell, tiny: Entry) -> None:
    with pytest.raises(ModelUnavailableError, match="not installed"):
        shell("models", "show", "--verify", "tiny")
    shell("pull", "tiny")
    assert shell.json("models", "show", "--verify", "tiny")["verified"] is True
    recorded.final_path(tiny).write_bytes(b"?" + CONTENT[1:])
    with pytest.raises(ModelUnavailableError, match="is damaged") as caught:
        shell("models", "show", "--verify", "tiny")
    assert caught.value.hint == "Run: gemcli pull tiny"


def test_show_of_a_file(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "own.gguf"
    path.write_bytes(b"GGUF")
    shown = shell.json("models", "show", str(path))
    assert (shown["path"], shown["size"], shown["architecture"]) == (str(path), 4, "llama")
    with pytest.raises(UsageError, match="cannot be verified"):
        shell("models", "show", "--verify", str(path))
    with pytest.raises(ModelUnavailableError, match="no such file"):
        shell("models", "show", str(tmp_path / "missing.gguf"))
    with pytest.raises(UsageError, match="no model is called"):
        shell("models", "show", "missing")


def test_show_of_a_hub_model_that_is_not_here(shell: Shell, remote: str) -> None:
    shown = shell.json("models", "show", remote)
    assert (shown["name"], shown["state"], shown["size"]) == (f"{remote}:Q4_0", "not installed", 50_000)
    with pytest.raises(ModelUnavailableError, match="--offline forbids"):
        shell("models", "show", "--offline", remote)


def test_rm_asks_only_on_a_terminal(shell: Shell, tiny: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("pull", "tiny")
    with pytest.raises(UsageError, match="nothing is deleted unasked") as caught:
        shell("models", "rm", "tiny")
    assert caught.value.hint == "Add --yes."
    monkeypatch.setattr(deleting, "sys", SimpleNamespace(stdin=Terminal(), stderr=Terminal()))
    asked = []
    monkeypatch.setattr("gemcli.ui.confirm", lambda question: bool(asked.append(question)))
    with pytest.raises(typer.Exit) as refused:
        shell("models", "rm", "tiny")
    assert refused.value.exit_code == 1
    assert asked == ["Delete tiny?"]
    assert store.path_of(tiny)
    monkeypatch.setattr("gemcli.ui.confirm", lambda question: True)
    assert "tiny is deleted" in shell("models", "rm", "tiny").err
    assert store.path_of(tiny) is None


class Terminal:
    def isatty(self) -> bool:
        return True


def test_rm_refuses_before_it_deletes_anything(shell: Shell, tiny: Entry) -> None:
    shell("pull", "tiny")
    for wrong, kind in (
        ("smollm2-135m", ModelUnavailableError),
        ("../tiny", UsageError),
        ("hf:a/b", GemcliError),
    ):
        with pytest.raises(kind):
            shell("models", "rm", "--yes", "tiny", wrong)
    assert store.path_of(tiny)
    answer = shell.json("models", "rm", "-y", "tiny")
    assert [each["name"] for each in answer["removed"]] == ["tiny"]  # type: ignore[attr-defined,index]
    assert list(models_dir().glob("tiny*")) == []


def test_importing_the_commands_imports_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys, gemcli.commands.pull, gemcli.commands.models\n"
        "heavy = {'jax', 'numpy', 'rich.table', 'urllib.request', 'ssl', 'platformdirs', 'gemcli.hub.pull'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "[]"


def test_models_of_a_hub_are_listed_with_what_was_released(shell: Shell) -> None:
    found = {each["name"]: each for each in rows(shell)}
    e4b = found["gemma-4-e4b"]
    assert (e4b["window"], e4b["senses"]) == (131_072, ["text", "image", "video", "audio"])
    assert (e4b["installed"], e4b["size_is_exact"]) == (False, False)
    assert found["smollm2-135m"]["size_is_exact"]
    (line,) = [each for each in shell("models", "list").out.splitlines() if each.startswith("gemma-4-e4b ")]
    assert re.search(r"~\d\.\d\d GB +Apache-2\.0 +131,072 +text, image, video, audio +not installed", line)


def test_show_of_what_was_released_with_the_sums(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    found = (Device("gpu", "Card", 20_000_000_000), Device("tpu", "TPU", None), Device("cpu", "CPU", 10**9))
    monkeypatch.setattr(devices, "devices", lambda: found)
    shown = shell.json("models", "show", "gemma-4-e4b")
    assert shown["parameters"] == pytest.approx(7.46e9, rel=0.01)
    assert shown["active_parameters"] == pytest.approx(4.64e9, rel=0.01)
    assert (shown["kv_bytes_per_token"], shown["kv_bytes_per_token_8_bits"]) == (16_384, 8_192 + 16 * 4)
    assert (shown["fixed_cache_bytes"], shown["window"]) == (20 << 20, 131_072)
    assert shown["senses"] == ["text", "image", "video", "audio"]
    assert shown["tokens"]["image"] == 280  # type: ignore[index]
    assert shown["tokens"]["second_of_sound"] == 25  # type: ignore[index]
    gpu, tpu, cpu = shown["fits"]  # type: ignore[misc]
    assert gpu["context"] == 131_072
    assert tpu["context"] is None
    assert cpu["context"] == 0
    assert "too much" in cpu["arithmetic"]
    text = shell("models", "show", "gemma-4-e4b").out
    assert "about 6.14 GB" in text
    assert "7,463,013,418, a token meets 4,644,441,130" in text
    assert re.search(r"gpu \(Card\): 131,072 tokens \[20\.00 GB - .* / 16,384 bytes = [\d,]+ tokens", text)
    assert "tpu (TPU): unknown" in text
    assert "cpu (CPU): it does not fit" in text


def test_show_of_an_embedded_model_before_the_pull(shell: Shell) -> None:
    shown = shell.json("models", "show", "qwen2.5-coder-1.5b")
    assert (shown["state"], shown["parameters"]) == ("not installed", 1_543_714_304)
    assert "parameters" not in shell.json("models", "show", "whisper-base")


@pytest.fixture
def on_hub(hub: Hub) -> str:
    """A model that the catalogue names, in small, as its repository lists it."""
    alias = aliases.find("gemma-4-e2b")
    assert alias is not None
    repo, eyes = alias.hub.removeprefix("hf:").rpartition(":")[0], b"mmproj"
    files = {"gemma-4-E2B_q4_0-it.gguf": CONTENT, "gemma-4-E2B-it-mmproj.gguf": eyes}
    hub.listings[repo] = {
        "id": repo,
        "siblings": [
            {"rfilename": name, "lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}}
            for name, data in files.items()
        ],
    }
    hub.files |= {f"{repo}/{name}": data for name, data in files.items()}
    return alias.name


def test_a_name_of_a_hub_model_is_pulled_shown_and_removed(shell: Shell, on_hub: str) -> None:
    path = Path(shell("pull", on_hub).out.strip())
    assert path.read_bytes() == CONTENT
    assert len(list(path.parent.glob("*.gguf"))) == 2, "its eyes and ears come along"
    here = [each for each in rows(shell) if each["installed"]]
    assert [(each["name"], each["size_is_exact"]) for each in here] == [(on_hub, True)]
    shown = shell.json("models", "show", on_hub)
    assert (shown["state"], shown["path"], shown["base_model"]) == ("installed", str(path), False)
    assert shown["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert shell.json("models", "show", "--verify", on_hub)["verified"] is True
    shell("models", "rm", "-y", on_hub)
    assert not path.exists()
    assert not [each for each in rows(shell) if each["installed"]]
    with pytest.raises(ModelUnavailableError, match=f"{on_hub} is not installed"):
        shell("models", "rm", "-y", on_hub)


def test_part_of_a_hub_model_is_shown_under_its_name(shell: Shell, on_hub: str, hub: Hub) -> None:
    hub.cuts = [25_000] + [0] * 20
    with pytest.raises(ModelUnavailableError):
        shell("pull", on_hub)
    (row,) = [each for each in rows(shell) if each["downloaded_bytes"]]
    assert row["name"] == on_hub
    assert shell.json("models", "show", on_hub)["state"] == row["state"] != "not installed"


def test_showing_what_was_released_needs_no_array_library() -> None:
    import subprocess

    code = (
        "import sys; from gemcli.main import run\n"
        "sys.argv = ['gemcli', 'models', 'show', 'gemma-4-e4b', '--json']\n"
        "try: run()\n"
        "except SystemExit: pass\n"
        "print('jax' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert json.loads(done.stdout)["architecture"] == "gemma4"
    assert done.stderr.strip() == "False"
