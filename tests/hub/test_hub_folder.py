"""A repository of safetensors is pulled as a whole, each file checked; a GGUF comes with its mmproj file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from gemcli.errors import GemcliError, ModelUnavailableError, UsageError
from gemcli.hub import hub_folder, recorded, store
from gemcli.hub import pull as pulling
from gemcli.hub.hub_name import entry_of, find_local, parse
from gemcli.hub.hub_repo import look_up
from gemcli.hub.pull import pull
from gemcli.hub.resolve import resolve
from gemcli.hub.size import size_text
from tests.hub.conftest import Events, Hub, content_of

REPO = "owner/Model"
WEIGHTS = {
    "model-00001-of-00002.safetensors": content_of(120_000),
    "model-00002-of-00002.safetensors": content_of(60_000, seed=1),
}
SMALL = {
    "config.json": b'{"model_type": "gemma4"}',
    "tokenizer_config.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "model.safetensors.index.json": b'{"weight_map": {}}',
}
LARGE = {"tokenizer.json": content_of(40_000, seed=2)}
OTHERS = {"README.md": b"# A model", "model.py": b"print()", "pytorch_model.bin": content_of(1000)}
ALL = WEIGHTS | SMALL | LARGE


def blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def serve(hub: Hub, files: dict[str, bytes], *, repo: str = REPO) -> None:
    """The hub holds these files, and lists the SHA-256 of all but the small ones."""
    siblings = []
    for name, data in files.items():
        each: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": blob(data)}
        if name not in SMALL and name not in OTHERS:
            each["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        siblings.append(each)
        hub.files[f"{repo}/{name}"] = data
    hub.listings[repo] = {"id": repo, "sha": "c0ffee", "siblings": siblings, "cardData": {"license": "mit"}}


def listed(hub: Hub, name: str) -> dict[str, object]:
    about = hub.listings[REPO]
    assert isinstance(about, dict)
    return next(each for each in about["siblings"] if each["rfilename"] == name)


@pytest.fixture
def repo(hub: Hub) -> Hub:
    serve(hub, ALL | OTHERS)
    return hub


def brought(spec: str, events: Events, **options: object) -> Path:
    return resolve(spec, offline=False, on_event=events, **options).path  # type: ignore[arg-type]


def test_a_folder_of_safetensors_is_pulled_whole(repo: Hub, events: Events) -> None:
    folder = brought(f"hf:{REPO}", events)
    assert {each.name: each.read_bytes() for each in folder.iterdir() if each.name != recorded.RECORD} == ALL
    assert all("/resolve/c0ffee/" in each.path for each in repo.seen if "/resolve/" in each.path)
    found = store.find_installed(f"hf:{REPO}:safetensors")
    assert found is not None
    assert (found.state, found.licence) == ("ready", "mit")
    assert found.usable == folder
    assert found.total == sum(map(len, ALL.values()))
    assert f"({size_text(found.total)})" in events.warnings[0]


def test_it_is_found_again_without_the_hub(repo: Hub, events: Events) -> None:
    folder = brought(f"hf:{REPO}", events)
    repo.seen.clear()
    for name in (f"hf:{REPO}", f"hf:{REPO.lower()}", f"hf:{REPO}:safetensors"):
        assert resolve(name, offline=True, on_event=events).path == folder
    assert repo.seen == []
    found = find_local(parse(f"hf:{REPO}"))
    assert found is not None
    entry = entry_of(found)
    assert {each.file for each in entry.companions} | {entry.file} == set(ALL)
    assert all(each.sources for each in entry.companions)


def test_an_interrupted_pull_goes_on_and_is_no_model_before(repo: Hub, events: Events) -> None:
    entry = look_up(parse(f"hf:{REPO}"))
    repo.cuts = [None] * 5 + [50_000] + [0] * 20
    with pytest.raises(ModelUnavailableError, match="dropped"):
        pull(entry, on_event=events)
    assert find_local(parse(f"hf:{REPO}")) is None
    (begun, done), *more = store.unfinished()
    assert (begun.name, more) == (f"hf:{REPO}:safetensors", [])
    assert 0 < done < entry.total
    assert done == store.partial_bytes(entry)
    repo.cuts = []
    repo.seen.clear()
    folder = brought(f"hf:{REPO}", events)
    assert {each.name for each in folder.iterdir()} == {*ALL, recorded.RECORD}
    again = [each for each in repo.downloads() if each.range]
    assert [each.range for each in again] == ["bytes=50000-"]
    names = {each.path.rpartition("/")[2] for each in repo.downloads()}
    assert names - set(SMALL) == set(WEIGHTS), "what had come whole is not fetched again"


@pytest.mark.parametrize("name", ["model-00002-of-00002.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_file_is_pulled_again_and_only_that(repo: Hub, events: Events, name: str) -> None:
    folder = brought(f"hf:{REPO}", events)
    (folder / name).write_bytes(ALL[name][:-1] + b"?")
    with pytest.raises(ModelUnavailableError, match="is damaged"):
        brought(f"hf:{REPO}", events)
    repo.seen.clear()
    pull(look_up(parse(f"hf:{REPO}")), on_event=events, verify=True)
    assert (folder / name).read_bytes() == ALL[name]
    fetched = [each.path for each in repo.downloads() if each.path.rpartition("/")[2] not in SMALL]
    assert fetched == ([] if name in SMALL else [f"/cdn/{REPO}/{name}"])


def test_wrong_bytes_are_refused(repo: Hub, events: Events) -> None:
    repo.files[f"{REPO}/model-00002-of-00002.safetensors"] = content_of(60_000, seed=9)
    with pytest.raises(ModelUnavailableError, match="another model-00002-of-00002"):
        brought(f"hf:{REPO}", events)


@pytest.mark.parametrize("other", [b'{"model_type": "gemma9"}', b'{"model_type": "gemma4"} '])
def test_a_small_file_that_is_not_the_one_listed_is_refused(repo: Hub, events: Events, other: bytes) -> None:
    repo.files[f"{REPO}/config.json"] = other
    with pytest.raises(ModelUnavailableError, match=r"another config\.json than the one that it lists"):
        brought(f"hf:{REPO}", events)


def test_small_files_that_are_no_json_are_refused(hub: Hub, events: Events) -> None:
    serve(hub, WEIGHTS | {"config.json": b"<html>"})
    with pytest.raises(ModelUnavailableError, match=r"config\.json of owner/Model is no JSON"):
        brought(f"hf:{REPO}", events)


def test_a_small_file_that_is_not_there_is_said(repo: Hub, events: Events) -> None:
    del repo.files[f"{REPO}/config.json"]
    with pytest.raises(ModelUnavailableError, match=r"config\.json: owner/Model has no config\.json"):
        brought(f"hf:{REPO}", events)


def test_a_large_file_without_a_hash_is_not_trusted(repo: Hub, events: Events) -> None:
    listed(repo, "config.json")["size"] = 64 << 20
    with pytest.raises(ModelUnavailableError, match="no SHA-256 is listed for it"):
        brought(f"hf:{REPO}", events)


def test_the_size_of_all_files_is_asked_about(repo: Hub, events: Events, monkeypatch) -> None:
    monkeypatch.setattr("gemcli.hub.resolve.ASK_ABOVE", 150_000)
    asked = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    with pytest.raises(ModelUnavailableError, match="is not installed"):
        brought(f"hf:{REPO}", events, confirm=no)
    assert len(asked) == 1


def test_what_cannot_fit_is_not_begun(repo: Hub, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = look_up(parse(f"hf:{REPO}"))
    monkeypatch.setattr(pulling, "SLACK", 1 << 60)
    repo.seen.clear()
    with pytest.raises(GemcliError, match="more room"):
        pull(entry, on_event=events)
    assert repo.seen == []


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["model.safetensors"], ["model.safetensors"]),
        (["model.safetensors", "adapter_model.safetensors"], ["model.safetensors"]),
        (["weights.safetensors", "consolidated.safetensors"], ["weights.safetensors"]),
        (["sub/model.safetensors", "model.safetensors"], ["model.safetensors"]),
        (list(WEIGHTS), list(WEIGHTS)),
        ([*WEIGHTS, "model.safetensors"], ["model.safetensors"]),
        (["sub/model.safetensors"], []),
        (["adapter_model.safetensors"], []),
        ([], []),
    ],
)
def test_the_files_of_the_weights(hub: Hub, names: list[str], chosen: list[str]) -> None:
    serve(hub, {"config.json": SMALL["config.json"]} | {name: content_of(100) for name in names})
    about = hub.listings[REPO]
    assert isinstance(about, dict)
    assert [each.path for each in hub_folder.weights(about)] == chosen


def test_an_upload_that_is_not_finished_is_said(hub: Hub, events: Events) -> None:
    serve(hub, SMALL | {"model-00001-of-00003.safetensors": content_of(100)})
    with pytest.raises(UsageError, match="holds 1 of the 3 files"):
        brought(f"hf:{REPO}", events)


def test_weights_without_a_configuration_are_no_model(hub: Hub, events: Events) -> None:
    serve(hub, WEIGHTS)
    with pytest.raises(UsageError, match="no GGUF file, and no safetensors"):
        brought(f"hf:{REPO}", events)


@pytest.mark.parametrize("about", [{}, {"siblings": None}, {"siblings": ["x", {}, {"lfs": 3}]}])
def test_strange_answers_list_nothing(about: dict[str, object]) -> None:
    assert list(hub_folder.listed(about)) == []
    assert hub_folder.weights(about) == []


def test_a_gguf_wins_over_safetensors_unless_these_are_named(hub: Hub, events: Events) -> None:
    serve(hub, ALL | {"m-Q8_0.gguf": content_of(5000, seed=3)})
    assert look_up(parse(f"hf:{REPO}")).file == "m-Q8_0.gguf"
    assert look_up(parse(f"hf:{REPO}:safetensors")).file == "model-00001-of-00002.safetensors"
    with pytest.raises(UsageError, match="holds no Q4_0"):
        look_up(parse(f"hf:{REPO}:Q4_0"))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["mmproj-m-Q8_0.gguf", "mmproj-m-f16.gguf", "mmproj-BF16.gguf"], "mmproj-m-f16.gguf"),
        (["mmproj-m-Q8_0.gguf"], "mmproj-m-Q8_0.gguf"),
        (["mmproj-model-Q4_K.gguf"], "mmproj-model-Q4_K.gguf"),
        (["sub/mmproj-F16.gguf"], "mmproj-F16.gguf"),
        (["sub/mmproj-F16.gguf", "mmproj-F32.gguf"], "mmproj-F32.gguf"),
        ([], None),
    ],
)
def test_a_gguf_comes_with_its_mmproj(hub: Hub, events: Events, names: list[str], chosen: str | None) -> None:
    files = {"m-Q4_0.gguf": content_of(5000)} | {name: content_of(900, seed=4) for name in names}
    serve(hub, files)
    path = brought(f"hf:{REPO}", events)
    assert path.name == "m-Q4_0.gguf"
    beside = {each.name for each in path.parent.iterdir()} - {path.name, recorded.RECORD}
    assert beside == ({chosen} if chosen else set())


def test_a_model_pulled_before_its_mmproj_was_there_gets_it(hub: Hub, events: Events) -> None:
    serve(hub, {"m-Q4_0.gguf": content_of(5000)})
    path = brought(f"hf:{REPO}", events)
    serve(hub, {"m-Q4_0.gguf": content_of(5000), "mmproj-m-F16.gguf": content_of(900)})
    hub.seen.clear()
    pull(look_up(parse(f"hf:{REPO}")), on_event=events, verify=True)
    assert (path.parent / "mmproj-m-F16.gguf").is_file()
    assert [each.path for each in hub.downloads()] == [f"/cdn/{REPO}/mmproj-m-F16.gguf"]


def test_the_record_survives_as_json(repo: Hub, events: Events) -> None:
    folder = brought(f"hf:{REPO}", events)
    record = json.loads((folder / recorded.RECORD).read_text())
    assert record["file"] == "model-00001-of-00002.safetensors"
    assert {each["file"] for each in record["companions"]} == set(ALL) - {record["file"]}
