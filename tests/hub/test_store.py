"""The store knows what was verified, notices what has changed, and deletes nothing outside of itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemcli.errors import GemcliError, ModelUnavailableError
from gemcli.hub import recorded, store
from gemcli.hub.catalog import CATALOG, Entry
from gemcli.hub.lock import store_lock
from gemcli.settings import models_dir
from tests.hub.conftest import content_of, make_entry

CONTENT = content_of(5000)


def put(entry: Entry, content: bytes = CONTENT) -> Path:
    path = recorded.final_path(entry)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def entry() -> Entry:
    return make_entry(CONTENT)


def test_an_empty_store_holds_nothing(entry: Entry) -> None:
    assert store.installed() == []
    assert store.path_of(entry) is None
    assert store.unfinished() == []
    assert not models_dir().exists()


def test_a_recorded_file_is_ready(entry: Entry) -> None:
    path = put(entry)
    store.record(entry, "a test")
    (model,) = store.installed()
    assert (model.name, model.state, model.path, model.source) == ("tiny", "ready", path, "a test")
    assert store.path_of(entry) == path


def test_another_time_asks_for_a_hash_and_another_size_is_damage(entry: Entry) -> None:
    path = put(entry)
    store.record(entry, "a test")
    os.utime(path, ns=(1, 1))
    (model,) = store.installed()
    assert model.state == "changed"
    assert store.path_of(entry) is None
    assert store.verify(model)
    assert store.installed()[0].state == "ready"
    path.write_bytes(CONTENT[:-1])
    (model,) = store.installed()
    assert model.state == "damaged"
    assert not store.verify(model)
    path.write_bytes(b"?" + CONTENT[1:])
    (model,) = store.installed()
    assert model.state == "changed"
    assert not store.verify(model)
    assert store.installed()[0].state == "changed"


def test_verifying_tells_how_far_it_is(entry: Entry) -> None:
    put(entry)
    model = store.record(entry, "a test")
    seen = []
    store.verify(model, lambda done, total: seen.append((done, total)))
    assert seen == [(5000, 5000)]


def test_a_file_that_vanishes_while_it_is_verified_is_said(entry: Entry) -> None:
    path = put(entry)
    model = store.record(entry, "a test")
    path.unlink()
    with pytest.raises(ModelUnavailableError, match="cannot read"):
        store.verify(model)


def test_a_catalogue_file_put_there_by_hand_is_found_but_not_trusted() -> None:
    real = CATALOG[2]
    path = put(real, b"GGUF")
    with path.open("r+b") as file:
        file.truncate(real.size)
    (model,) = store.installed()
    assert (model.name, model.state) == (real.name, "changed")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "tiny"}', '{"name": "../tiny"}'])
def test_a_broken_record_is_no_model(entry: Entry, text: str) -> None:
    put(entry)
    (recorded.folder_of("tiny") / recorded.RECORD).write_text(text)
    assert store.installed() == []


def test_a_record_cannot_point_out_of_its_folder(entry: Entry, tmp_path: Path) -> None:
    put(entry)
    store.record(entry, "a test")
    record = recorded.folder_of("tiny") / recorded.RECORD
    record.write_text(record.read_text().replace('"tiny.gguf"', '"../../../outside.gguf"'))
    (tmp_path / "outside.gguf").write_bytes(CONTENT)
    assert store.installed() == []


def test_a_record_of_another_model_is_not_believed(entry: Entry) -> None:
    put(entry)
    store.record(entry, "a test")
    recorded.folder_of("tiny").rename(models_dir() / "other")
    assert store.installed() == []


def test_an_unfinished_download_is_told_and_removed() -> None:
    entry = make_entry(CONTENT, name="hf:owner/repo:Q4_0")
    recorded.folder_of(entry.name).mkdir(parents=True)
    store.begin(entry)
    assert store.unfinished() == []
    recorded.final_path(entry).with_name("tiny.gguf.partial").write_bytes(CONTENT[:77])
    ((model, done),) = store.unfinished()
    assert (model.name, done) == (entry.name, 77)
    assert store.installed() == []
    assert store.is_present(entry.name)
    assert store.remove(entry.name) >= 77
    assert not store.is_present(entry.name)


def test_removing_frees_the_room(entry: Entry) -> None:
    put(entry)
    store.record(entry, "a test")
    assert store.remove("tiny") > 5000
    assert store.installed() == []
    with pytest.raises(ModelUnavailableError, match="not installed"):
        store.remove("tiny")


def test_removing_a_link_leaves_what_it_leads_to(entry: Entry, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "tiny.gguf").write_bytes(CONTENT)
    models_dir().mkdir(parents=True)
    recorded.folder_of("tiny").symlink_to(elsewhere)
    store.record(entry, "a test")
    assert store.path_of(entry)
    store.remove("tiny")
    assert (elsewhere / "tiny.gguf").exists()
    assert not store.is_present("tiny")


def test_nothing_is_removed_during_a_pull(entry: Entry) -> None:
    put(entry)
    store.record(entry, "a test")
    with (
        store_lock(models_dir(), "pulling other", None),
        pytest.raises(GemcliError, match="another gemcli is pulling other"),
    ):
        store.remove("tiny")
    assert store.path_of(entry)


@given(name=st.text(max_size=60))
def test_every_name_has_its_folder_directly_inside_the_store(name: str) -> None:
    folder = recorded.folder_of(name)
    assert folder.parent == models_dir()
    assert folder.name not in ("", ".", "..")
    assert folder.name != ".lock"
