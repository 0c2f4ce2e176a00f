"""What goes first is what was not used for longest, and never what others build upon."""

from __future__ import annotations

import hashlib
import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.cache import shelf


def name(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def put(folder: Path, chain: str, used: int, *, size: int = 10, state: bool = False) -> Path:
    """A file for the last letter of a chain of letters."""
    before = name(chain[:-1]) if len(chain) > 1 else ""
    end = 1024 * len(chain)
    path = (
        shelf.state_path(folder, end, name(chain))
        if state
        else shelf.piece_path(folder, end, name(chain), before)
    )
    folder.mkdir(exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (used, used))
    return path


def test_names_tell_everything(tmp_path: Path) -> None:
    first, second = put(tmp_path, "a", 5), put(tmp_path, "ab", 6)
    third = put(tmp_path, "ab", 7, state=True)
    (tmp_path / "note.txt").write_text("not ours")
    (tmp_path / "x-y.kv").write_text("nor this")
    found = {each.path: each for each in shelf.files(tmp_path)}
    assert set(found) == {first, second, third}
    assert (found[second].end, found[second].name, found[second].before) == (2048, name("ab"), name("a")[:12])
    assert found[third].is_state
    assert not found[first].is_state
    assert found[first].used == 5 * 10**9
    assert shelf.files(tmp_path / "none") == []


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "way"
    folder.mkdir()
    name = "ab" * 20
    shelf.piece_path(folder, 64, name, "").mkdir()
    os.mkfifo(shelf.state_path(folder, 64, name))
    shelf.piece_path(folder, 128, name, "").symlink_to(tmp_path / "elsewhere")
    assert shelf.files(folder) == []


def test_a_beginning_stays_as_long_as_what_builds_upon_it(tmp_path: Path) -> None:
    root = tmp_path / "ns"
    put(root, "a", 1)
    put(root, "ab", 2)
    put(root, "abc", 90)
    put(root, "x", 50)
    put(root, "xy", 40)
    order = [each.name for each in shelf.in_order_of_use(tmp_path)]
    assert order == [name(chain) for chain in ("xy", "x", "abc", "ab", "a")]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 400))
def test_room_is_made_from_the_tails(tmp_path_factory: pytest.TempPathFactory, seed: int, most: int) -> None:
    rng = random.Random(seed)
    root = tmp_path_factory.mktemp("root")
    chains = {""}
    for _ in range(rng.randint(1, 12)):
        chain = rng.choice(sorted(chains)) + rng.choice("abcdef")
        if chain not in chains:
            chains.add(chain)
            put(root / "ns", chain, rng.randint(1, 100), size=rng.randint(1, 60))
            if rng.random() < 0.4:
                put(root / "ns", chain, rng.randint(1, 100), size=rng.randint(1, 60), state=True)
    spare = {each.path for each in shelf.files(root / "ns") if rng.random() < 0.1}
    left = shelf.make_room(root, most, spare)
    found = shelf.files(root / "ns")
    assert left == sum(each.bytes for each in found) == shelf.total(root)
    assert left <= most or {each.path for each in found} <= spare
    assert spare <= {each.path for each in found}
    if not spare:
        assert shelf.orphans(found) == []


def test_all_namespaces_share_the_room(tmp_path: Path) -> None:
    old, new = put(tmp_path / "one", "a", 1), put(tmp_path / "two", "a", 2)
    assert shelf.make_room(tmp_path, 10) == 10
    assert not old.exists()
    assert new.exists()
    assert not (tmp_path / "one").exists(), "an empty namespace goes too"


def test_orphans_are_what_nobody_can_come_to(tmp_path: Path) -> None:
    kept = [put(tmp_path, "a", 1), put(tmp_path, "ab", 1), put(tmp_path, "ab", 1, state=True)]
    lost = [put(tmp_path, "xyz", 1), put(tmp_path, "xyz", 1, state=True), put(tmp_path, "q", 1, state=True)]
    found = shelf.files(tmp_path)
    assert {each.path for each in shelf.orphans(found)} == set(lost)
    assert {each.path for each in found} == {*kept, *lost}


def test_a_model_without_full_caches_has_snapshots_alone(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, state=True)
    put(tmp_path, "ab", 1, state=True)
    assert shelf.orphans(shelf.files(tmp_path)) == []


@pytest.mark.parametrize(("age", "stays"), [(0, True), (60, True), (3600, False), (-3600, False)])
def test_old_drafts_go_whatever_the_clock_says(tmp_path: Path, age: int, stays: bool) -> None:
    kept = put(tmp_path / "ns", "a", 1)
    draft = tmp_path / "ns" / f"{kept.name}.77-abcd.part"
    draft.write_bytes(b"x")
    when = time.time() - age
    os.utime(draft, (when, when))
    shelf.remove_drafts(tmp_path)
    assert draft.exists() == stays
    assert kept.exists()
