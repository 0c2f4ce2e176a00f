"""What ``-m`` means, when something is fetched, and how the default is chosen once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gemcli import settings
from gemcli.errors import GemcliError, ModelUnavailableError, UsageError
from gemcli.hub import catalog, default, hub_source, resolve, store
from gemcli.hub.catalog import Entry
from gemcli.hub.default import default_name
from gemcli.hub.resolve import resolve as resolved
from gemcli.hub.source import HubSource
from tests.hub.conftest import Events, Hub, content_of, make_entry

CONTENT = content_of(50_000)
LARGE, SMALL = default.DEFAULTS


@pytest.fixture
def small_catalogue(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> dict[str, Entry]:
    """The catalogue's names with files of a few bytes, served by the hub."""
    entries = []
    for number, entry in enumerate(catalog.CATALOG):
        content = content_of(10_000, seed=number)
        source = HubSource("owner/" + entry.name, entry.file)
        hub.files[f"{source.repo}/{source.file}"] = content
        entries.append(make_entry(content, source, name=entry.name, file=entry.file))
    monkeypatch.setattr(catalog, "CATALOG", tuple(entries))
    monkeypatch.setattr(store, "CATALOG", tuple(entries))
    monkeypatch.setattr(default, "available_bytes", lambda: 20_000_000_000)
    return {entry.name: entry for entry in entries}


def memory(monkeypatch: pytest.MonkeyPatch, free: int | None) -> None:
    monkeypatch.setattr(default, "available_bytes", lambda: free)
    large = catalog.find(LARGE)
    fields = {name: getattr(large, name) for name in Entry.__dataclass_fields__} | {
        "min_memory": 4_000_000_000
    }
    entries = tuple(Entry(**fields) if each is large else each for each in catalog.CATALOG)
    monkeypatch.setattr(catalog, "CATALOG", entries)
    monkeypatch.setattr(store, "CATALOG", entries)


def test_a_name_is_pulled_when_first_needed(
    hub: Hub, small_catalogue: dict[str, Entry], events: Events
) -> None:
    first = resolved("smollm2-135m", offline=False, on_event=events)
    assert first.name == "smollm2-135m"
    assert hashlib.sha256(first.path.read_bytes()).hexdigest() == small_catalogue["smollm2-135m"].sha256
    assert "pulling smollm2-135m" in events.warnings[0]
    hub.seen.clear()
    assert resolved("SMOLLM2-135m", offline=True, on_event=events) == first
    assert hub.seen == []


@pytest.mark.parametrize(("offline", "may_pull"), [(True, True), (False, False)])
def test_what_may_not_be_fetched_says_how_to(
    hub: Hub, small_catalogue: dict[str, Entry], events: Events, offline: bool, may_pull: bool
) -> None:
    for spec, command in (
        ("smollm2-135m", "gemcli pull smollm2-135m"),
        (None, f"gemcli pull {LARGE}"),
        ("hf:owner/repo:Q4_0", "gemcli pull hf:owner/repo:Q4_0"),
    ):
        with pytest.raises(ModelUnavailableError) as caught:
            resolved(spec, offline=offline, on_event=events, may_pull=may_pull)
        assert caught.value.exit_code == 5
        assert caught.value.hint == f"Run: {command}"
    assert hub.seen == []
    assert events.all == []
    assert not settings.config_path().exists()


def test_an_unknown_name_fetches_nothing(hub: Hub, events: Events) -> None:
    with pytest.raises(UsageError) as caught:
        resolved("smolm2", offline=False, on_event=events)
    assert "smollm2-135m" in (caught.value.hint or "")
    assert hub.seen == []


def test_the_default_is_chosen_once_and_kept(
    hub: Hub, small_catalogue: dict[str, Entry], events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(monkeypatch, 8_000_000_000)
    assert resolved(None, offline=False, on_event=events).name == LARGE
    assert settings.load_config() == {"model": LARGE}
    assert f"default becomes {LARGE}" in events.warnings[0]
    memory(monkeypatch, 1_000_000_000)
    assert resolved(None, offline=False, on_event=events).name == LARGE


def test_little_memory_takes_the_small_default(
    small_catalogue: dict[str, Entry], events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(monkeypatch, 3_999_999_999)
    assert default_name() == (SMALL, "only 4.00 GB of memory are free")
    assert resolved(None, offline=False, on_event=events).name == SMALL
    assert settings.load_config() == {"model": SMALL}


def test_memory_that_is_not_known_is_no_reason(
    small_catalogue: dict[str, Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(monkeypatch, None)
    assert default_name()[0] == LARGE


def test_a_choice_holds_although_its_pull_fails(
    hub: Hub, small_catalogue: dict[str, Entry], events: Events
) -> None:
    hub.refuse[f"owner/{LARGE}"] = (404, {})
    with pytest.raises(ModelUnavailableError, match="could not be pulled"):
        resolved(None, offline=False, on_event=events)
    assert settings.load_config() == {"model": LARGE}


def test_an_installed_default_is_taken_before_a_better_one_is_fetched(
    hub: Hub, small_catalogue: dict[str, Entry], events: Events
) -> None:
    resolved(SMALL, offline=False, on_event=events)
    hub.seen.clear()
    assert resolved(None, offline=True, on_event=events).name == SMALL
    assert hub.seen == []
    assert settings.load_config() == {"model": SMALL}


def test_the_configured_model_comes_first(small_catalogue: dict[str, Entry], events: Events) -> None:
    resolved(LARGE, offline=False, on_event=events)
    settings.set_config("model", "smollm2-135m")
    assert resolved(None, offline=False, on_event=events).name == "smollm2-135m"
    assert "config.toml" in default_name()[1]


def test_a_wrong_name_in_the_configuration_says_where_it_stands(events: Events) -> None:
    settings.set_config("model", "no-such-model")
    with pytest.raises(UsageError, match=r"'no-such-model' \(set in .*config\.toml\)"):
        resolved(None, offline=False, on_event=events)
    settings.set_config("model", 7)
    with pytest.raises(UsageError, match="must be a name in quotes, not 7"):
        resolved(None, offline=False, on_event=events)


def test_a_configuration_that_cannot_be_written_is_no_obstacle(
    small_catalogue: dict[str, Entry], events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(key: str, value: str) -> None:
        raise GemcliError("cannot write it: Read-only file system")

    monkeypatch.setattr(settings, "set_config", refuse)
    assert resolved(None, offline=False, on_event=events).path.exists()
    assert f"{LARGE} is not kept: cannot write it" in events.warnings[0]


def test_a_damaged_model_says_how_to_repair_it(small_catalogue: dict[str, Entry], events: Events) -> None:
    path = resolved("smollm2-135m", offline=False, on_event=events).path
    content = path.read_bytes()
    for damaged in (content[:-1], b"?" + content[1:]):
        path.write_bytes(damaged)
        with pytest.raises(ModelUnavailableError, match="is damaged") as caught:
            resolved("smollm2-135m", offline=False, on_event=events)
        assert caught.value.hint == "Run: gemcli pull smollm2-135m"
    path.write_bytes(content)
    assert resolved("smollm2-135m", offline=True, on_event=events).path == path
    assert events.progress("verify")[-1] == len(content)


def local(tmp_path: Path, name: str) -> str:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF")
    return str(path)


def test_a_path_is_a_path(tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = local(tmp_path, "my model.gguf")
    assert resolved(spec, offline=True, on_event=events).path == Path(spec)
    monkeypatch.chdir(tmp_path)
    assert resolved("./my model.gguf", offline=True, on_event=events).path.read_bytes() == b"GGUF"
    local(tmp_path, "weights")
    assert resolved("weights", offline=True, on_event=events).path.read_bytes() == b"GGUF"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolved("~/my model.gguf", offline=True, on_event=events).path.exists()


def test_a_name_of_the_catalogue_wins_over_a_file(
    tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    local(tmp_path, "smollm2-135m")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelUnavailableError, match="not installed"):
        resolved("smollm2-135m", offline=True, on_event=events)
    assert resolved("./smollm2-135m", offline=True, on_event=events).path.exists()


@pytest.mark.parametrize(
    ("made", "spec", "message"),
    [
        ([], "missing.gguf", "there is no such file"),
        ([], "no/such/model", "there is no such file"),
        (["d/model.safetensors"], "d", "there is no config.json beside the safetensors"),
        (["model.safetensors"], "model.safetensors", "there is no config.json beside the safetensors"),
        (["d/pytorch_model.bin"], "d", "pickles, which may run any program"),
        (["model.pt"], "./model.pt", "pickles, which may run any program"),
        (["d/a.gguf"], "d", "is a folder"),
        (["d/readme.md"], "d", "a folder without a model"),
    ],
)
def test_paths_without_a_model(
    tmp_path: Path, events: Events, made: list[str], spec: str, message: str
) -> None:
    for each in made:
        local(tmp_path, each)
    with pytest.raises(ModelUnavailableError, match=message) as caught:
        resolved(str(tmp_path / spec), offline=False, on_event=events)
    assert caught.value.exit_code == 5
    assert caught.value.hint


def test_safetensors_are_a_folder(tmp_path: Path, events: Events) -> None:
    local(tmp_path, "d/config.json")
    shard = local(tmp_path, "d/model-00002-of-00002.safetensors")
    for spec in (tmp_path / "d", shard):
        assert resolved(str(spec), offline=True, on_event=events).path == tmp_path / "d"
    single = local(tmp_path, "d/other.safetensors")
    assert resolved(single, offline=True, on_event=events).path == Path(single)


@pytest.fixture
def large(hub: Hub) -> str:
    """A repository whose file is said to be larger than what is fetched unasked."""
    lfs = {"sha256": hashlib.sha256(CONTENT).hexdigest(), "size": resolve.ASK_ABOVE + 1}
    hub.listings["owner/large"] = {"siblings": [{"rfilename": "l-Q4_0.gguf", "lfs": lfs}]}
    return "hf:owner/large"


def test_a_large_download_is_not_begun_unasked(hub: Hub, large: str, events: Events) -> None:
    with pytest.raises(ModelUnavailableError, match=r"download of 2\.00 GB is not begun unasked") as caught:
        resolved(large, offline=False, on_event=events)
    assert caught.value.hint == "Run: gemcli pull hf:owner/large:Q4_0"
    assert hub.downloads() == []


def test_a_large_download_asks(hub: Hub, large: str, events: Events) -> None:
    asked = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    with pytest.raises(ModelUnavailableError, match="is not installed"):
        resolved(large, offline=False, on_event=events, confirm=no)
    assert "2.00 GB" in asked[0]
    assert hub.downloads() == []
    with pytest.raises(ModelUnavailableError, match="has no l-Q4_0"):  # it goes on to fetch; it is not there
        resolved(large, offline=False, on_event=events, confirm=lambda question: True)


def test_a_model_of_a_hub_is_pulled_once_and_then_found_without_it(
    hub: Hub, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    lfs = {"sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}
    hub.listings["owner/repo"] = {"id": "owner/repo", "siblings": [{"rfilename": "m-Q4_0.gguf", "lfs": lfs}]}
    hub.files["owner/repo/m-Q4_0.gguf"] = CONTENT
    first = resolved("hf:owner/repo", offline=False, on_event=events)
    assert first.path.read_bytes() == CONTENT
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    hub_source._answered.clear()
    assert resolved("hf:owner/repo", offline=False, on_event=events) == first
    assert resolved("hf:Owner/Repo:q4_0", offline=True, on_event=events) == first
