"""What is restored is what was computed, bit by bit; whatever is wrong with a file costs time alone."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tiny

from model.cache import disk, pieces, segment, shelf, writer
from model.cache.disk import DiskPrefixes
from model.cache.layer import LayerCache
from model.cache.shelf import Shelf
from model.cache.state import State
from model.config import AttentionSpec, LayerSpec, ModelConfig, RecurrentSpec, RopeSpec
from model.decoder.decoder import Decoder
from model.engine import plan
from model.engine.engine import Engine
from model.engine.room import empty_shape, empty_state
from model.nn.linear import Numerics
from model.prompt import Soft
from model.sampling.sampler import Sampling

DOCUMENT = tiny.random_ids(330)
MARK = len(DOCUMENT)
FIRST, SECOND = [*DOCUMENT, *tiny.random_ids(9, 1)], [*DOCUMENT, *tiny.random_ids(14, 2)]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 64 tokens at most, so that short prompts have many."""
    monkeypatch.setattr(plan, "CHUNKS", (32, 64))
    monkeypatch.setattr(plan, "LARGEST", 64)
    monkeypatch.setattr(plan, "_APART", 16)
    monkeypatch.setattr(plan, "_SMALLEST_CACHE", 448)
    monkeypatch.setattr(disk, "_LEAST", 64)
    monkeypatch.setattr(disk, "_CHUNK", 64)
    monkeypatch.setattr(disk, "_FAR", 128)


def hybrid() -> ModelConfig:
    """Two recurrent layers to one that slides; no full cache at all."""
    recurrent = LayerSpec(RecurrentSpec(width=24, heads=4), ffw=40, activation="gelu_tanh", mlp_bias=True)
    rope = RopeSpec(10_000.0, rotated=0.5)
    near = AttentionSpec(4, 1, 8, rope, query_scale=8**-0.5, window=tiny.WINDOW, out_bias=True)
    layers = (recurrent, recurrent, replace(recurrent, mixer=near))
    return ModelConfig(
        "griffin", 32, tiny.VOCAB, 256, layers, norm_eps=1e-6, embed_scale=5.0, final_softcap=30.0
    )


CONFIGS: dict[str, Callable[[], ModelConfig]] = {
    "full": lambda: replace(tiny.llama(), layers=tiny.llama().layers[:1]),
    "rings": lambda: tiny.gemma2(2),
    "rings and shared": lambda: tiny.gemma4(3, 2),
    "recurrent": hybrid,
}


@pytest.fixture(scope="module", params=CONFIGS)
def engine(request: pytest.FixtureRequest) -> Engine:
    return plain(CONFIGS[request.param]())


@pytest.fixture(scope="module")
def rings() -> Engine:
    near, far = tiny.gemma2(2).layers
    return plain(replace(tiny.gemma2(2), layers=(near, far)))


def plain(config: ModelConfig) -> Engine:
    params = tiny.random_params(config)
    return Engine(Decoder(config, Numerics(integer_rows=0)), params, window=4096, cache_bits=16)


@pytest.fixture(scope="module")
def llama() -> Engine:
    return plain(replace(tiny.llama(), layers=tiny.llama().layers[:1]))


def keeping(engine: Engine, root: Path, *, most: int | None = 1 << 30, name: str = "way") -> Engine:
    prefixes = DiskPrefixes(
        Shelf(root, most, "tiny"),
        name,
        partial(_empty, engine),
        empty_shape(engine.decoder, 1, engine.cache_bits),
    )
    made = Engine.__new__(Engine)
    made.__dict__.update(engine.__dict__)
    made.prefixes = prefixes
    return made


def _empty(engine: Engine, tokens: int) -> State:
    return empty_state(engine.decoder, tokens, engine.cache_bits)


def read(
    engine: Engine, ids: list[int], soft: tuple[Soft, ...] = (), *, mark: int = MARK
) -> tuple[np.ndarray, State, int]:
    """Logits of a prompt, its state, and how much of it was restored."""
    run = engine.reading(engine.trail(ids, soft, [mark], ["a.txt"]), len(ids) + 8)
    while not run.over:
        run.advance()
    if isinstance(engine.prefixes, DiskPrefixes):
        engine.prefixes.flush(20)
    return np.asarray(run.logits), run.state, run.restored


def said(engine: Engine, ids: list[int], limit: int = 6) -> list[int]:
    return list(engine.generate(ids, sampling=Sampling(), limit=limit, marks=[MARK]))


def same(ours: State, theirs: State) -> bool:
    """Two states of the same tokens hold the same bits wherever a token stands."""

    def visible(state: State) -> list[np.ndarray]:
        found = []
        for cache in (each for stack in state.caches for each in stack):
            leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(cache)]
            places = next((leaf for leaf in leaves if leaf.ndim == 1), None)
            for leaf in leaves:
                found.append(
                    leaf[..., places >= 0, :]
                    if places is not None and leaf.ndim > 2
                    else leaf[places >= 0]
                    if places is not None and leaf is places
                    else leaf
                )
        return found

    pairs = list(zip(visible(ours), visible(theirs), strict=True))
    return all(np.array_equal(a, b) for a, b in pairs) and len(pairs) > 0


def files(root: Path) -> list[Path]:
    return sorted(each for each in root.rglob("*") if each.is_file())


@pytest.mark.parametrize("reached", [True, False], ids=["in place", "put"])
def test_restored_is_fresh_bit_by_bit(
    engine: Engine, reached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not reached:  # as where a device has memory of its own
        monkeypatch.setattr(pieces, "places", lambda state: None)
    read(keeping(engine, tmp_path), FIRST)
    again = keeping(engine, tmp_path)
    logits, state, restored = read(again, SECOND)
    assert restored == MARK
    want, fresh, none = read(engine, SECOND)
    assert none == 0
    np.testing.assert_array_equal(logits, want)
    assert same(state, fresh)
    assert said(again, SECOND) == said(engine, SECOND)


def test_a_prompt_that_leaves_in_the_middle_goes_on_from_there(engine: Engine, tmp_path: Path) -> None:
    read(keeping(engine, tmp_path), FIRST)
    for length in (40, 64, 100, 200, 329):
        leaves(engine, tmp_path, length)


def leaves(engine: Engine, root: Path, length: int) -> None:
    ids = [*DOCUMENT[:length], *tiny.random_ids(90, 5)]
    logits, state, restored = read(keeping(engine, root), ids, mark=0)
    assert restored <= length
    assert restored % 64 == 0
    apart = 256 if not pieces.grows(state) else 128
    assert restored > length - apart - 64, "no further back than the last snapshot"
    want, fresh, _ = read(engine, ids, mark=0)
    np.testing.assert_array_equal(logits, want)
    assert same(state, fresh)


def test_nothing_is_written_twice(rings: Engine, tmp_path: Path) -> None:
    read(keeping(rings, tmp_path), FIRST)
    before = {path: path.stat().st_mtime_ns for path in files(tmp_path)}
    sizes = sum(path.stat().st_size for path in before)
    read(keeping(rings, tmp_path), SECOND)
    assert set(files(tmp_path)) == set(before)
    longer = [*DOCUMENT, *tiny.random_ids(300, 7), 5, 6]
    read(keeping(rings, tmp_path), longer, mark=len(longer) - 2)
    more = sum(path.stat().st_size for path in files(tmp_path)) - sizes
    shutil.rmtree(tmp_path)
    read(keeping(rings, tmp_path), longer, mark=len(longer) - 2)
    assert more < sum(path.stat().st_size for path in files(tmp_path)), "it adds what is new"


def test_a_first_file_is_written_before_the_prompt_ends(llama: Engine, tmp_path: Path) -> None:
    made = keeping(llama, tmp_path)
    run = made.reading(made.trail(FIRST, (), [MARK]), len(FIRST))
    run.advance()
    run.advance()
    assert isinstance(made.prefixes, DiskPrefixes)
    made.prefixes.flush(20)
    assert len(files(tmp_path)) == 2
    # Whoever interrupts it here has that much the next time.
    assert read(keeping(llama, tmp_path), FIRST)[2] == 128


def test_what_is_in_the_making_may_be_used_up_at_once(llama: Engine, tmp_path: Path) -> None:
    """The state is donated to the next chunk while the last one waits to be written."""
    made = keeping(llama, tmp_path)
    assert isinstance(made.prefixes, DiskPrefixes)
    gate, write = threading.Event(), disk.segment.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk.segment, "write", lambda *given: gate.wait(20) and write(*given))
        run = made.reading(made.trail(FIRST, (), [MARK]), len(FIRST))
        while not run.over:
            run.advance()
        run.wait()
        gate.set()
        made.prefixes.flush(20)
    logits, _, restored = read(keeping(llama, tmp_path), SECOND)
    assert restored == MARK
    np.testing.assert_array_equal(logits, read(llama, SECOND)[0])


@pytest.mark.slow
def test_pictures_and_sounds_are_part_of_the_name(tmp_path: Path) -> None:
    engine = plain(tiny.gemma(7))

    def soft(value: float, key: str = "", at: int = 70) -> tuple[Soft, ...]:
        rows = np.full((40, 32), value, np.float32)
        return (Soft(at, rows, True, key), Soft(at + 100, rows + 1, False, key and key + " 2"))

    read(keeping(engine, tmp_path), FIRST, soft(1.0))
    assert read(keeping(engine, tmp_path), SECOND, soft(1.0))[2] == MARK
    for other in (soft(2.0), soft(1.0, at=71), (), soft(1.0)[:1]):
        logits, state, restored = read(keeping(engine, tmp_path), SECOND, other)
        assert restored < 170, "never what was computed about another clip"
        want, fresh, _ = read(engine, SECOND, other)
        np.testing.assert_array_equal(logits, want)
        assert same(state, fresh)


def test_what_is_restored_is_not_looked_at(tmp_path: Path) -> None:
    engine, looked = plain(tiny.llama()), []

    class Rows:
        def __len__(self) -> int:
            return 40

        def __getitem__(self, part: slice) -> np.ndarray:
            looked.append(part)
            return np.ones((40, 32), np.float32)[part]

    soft = (Soft(70, Rows(), True, "clip"),)
    read(keeping(engine, tmp_path), FIRST, soft)
    assert looked
    looked.clear()
    assert read(keeping(engine, tmp_path), SECOND, soft)[2] == MARK
    assert not looked


@pytest.mark.parametrize("how", ["flip", "cut", "empty", "foreign", "other", "directory"])
@pytest.mark.parametrize("which", ["first", "third", "state"])
def test_damage_is_a_miss_with_one_warning(rings: Engine, tmp_path: Path, how: str, which: str) -> None:
    read(keeping(rings, tmp_path), FIRST)
    made_of = [each for each in files(tmp_path) if each.suffix == ".kv"]
    states = [each for each in files(tmp_path) if each.suffix == ".state"]
    path = {"first": made_of[0], "third": made_of[2], "state": states[-1]}[which]
    whole = path.read_bytes()
    if how == "flip":
        path.write_bytes(
            whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :]
        )
    elif how == "directory":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"cut": whole[:-70], "empty": b"", "foreign": b"PK" * 500, "other": b""}[how])
    if how == "other":
        path.write_bytes((made_of[1] if which != "state" else states[0]).read_bytes())
    made = keeping(rings, tmp_path)
    logits, state, restored = read(made, SECOND)
    want, fresh, _ = read(rings, SECOND)
    np.testing.assert_array_equal(logits, want)
    assert same(state, fresh)
    assert isinstance(made.prefixes, DiskPrefixes)
    warnings = made.prefixes.warnings()
    if how == "directory":
        assert restored < MARK
        return
    assert len(warnings) == 1
    assert path.name in warnings[0]
    assert made.prefixes.warnings() == []
    again = keeping(rings, tmp_path)
    assert read(again, SECOND)[2] == MARK, "it was computed and written again"
    assert isinstance(again.prefixes, DiskPrefixes)
    assert again.prefixes.warnings() == []


@pytest.mark.parametrize("reached", [True, False], ids=["in place", "put"])
def test_what_was_read_of_a_damaged_file_does_not_stay(
    llama: Engine, reached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not reached:
        monkeypatch.setattr(pieces, "places", lambda state: None)
    read(keeping(llama, tmp_path), FIRST)
    for path in files(tmp_path)[1:]:
        whole = bytearray(path.read_bytes())
        whole[-(len(whole) // 2) :] = b"\xff" * (len(whole) // 2)  # no numbers, as values of 16 bits
        path.write_bytes(whole)
    made = keeping(llama, tmp_path)
    trail = made.trail(SECOND, (), (MARK,))
    assert made.prefixes is not None
    recalled = made.prefixes.recall(trail, 400)
    assert recalled is not None
    state, length = recalled
    assert 0 < length < MARK
    for cache in (each for stack in state.caches for each in stack):
        assert isinstance(cache, LayerCache)
        assert np.asarray(cache.keys)[:, :, :length].any()
        assert not np.asarray(cache.keys)[:, :, length:].any()
        assert not np.asarray(cache.values)[:, :, length:].any()


@pytest.mark.parametrize("which", ["all", "states", "last three"])
def test_one_run_makes_good_whatever_is_damaged(rings: Engine, tmp_path: Path, which: str) -> None:
    read(keeping(rings, tmp_path), FIRST)
    found = files(tmp_path)
    chosen = {"all": found, "states": [each for each in found if each.suffix == ".state"]}
    for path in chosen.get(which, found[-3:]):
        path.write_bytes(b"")  # as a power failure leaves them
    made = keeping(rings, tmp_path)
    np.testing.assert_array_equal(read(made, SECOND)[0], read(rings, SECOND)[0])
    assert isinstance(made.prefixes, DiskPrefixes)
    assert len(made.prefixes.warnings()) == 1
    again = keeping(rings, tmp_path)
    assert read(again, SECOND)[2] == MARK
    assert isinstance(again.prefixes, DiskPrefixes)
    assert again.prefixes.warnings() == []


def test_damage_that_cannot_be_removed_is_left_out(
    rings: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(keeping(rings, tmp_path), FIRST)
    third = [each for each in files(tmp_path) if each.suffix == ".kv"][2]
    third.write_bytes(b"PK")
    reading, tries = segment.read, []

    def counted(path: Path, *how: Any) -> Sequence[np.ndarray]:
        tries.append(path)
        assert tries.count(third) < 3, "it is read for ever"
        return reading(path, *how)

    monkeypatch.setattr(disk.segment, "read", counted)
    monkeypatch.setattr(disk.shelf, "remove", lambda path: False)  # a folder that may be read alone
    made = keeping(rings, tmp_path)
    logits, _, restored = read(made, SECOND)
    assert 0 < restored < MARK
    np.testing.assert_array_equal(logits, read(rings, SECOND)[0])
    assert isinstance(made.prefixes, DiskPrefixes)
    assert [third.name in each for each in made.prefixes.warnings()] == [True]


def test_another_way_of_computing_finds_nothing(llama: Engine, tmp_path: Path) -> None:
    read(keeping(llama, tmp_path), FIRST)
    assert read(keeping(llama, tmp_path, name="other"), FIRST)[2] == 0


def test_a_full_disk_ends_keeping_with_a_warning(
    llama: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def full(*given: object) -> int:
        written.append(given)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(*given)  # pyright: ignore

    write = segment.write
    monkeypatch.setattr(disk.segment, "write", full)
    made = keeping(llama, tmp_path)
    logits, _, _ = read(made, FIRST)
    np.testing.assert_array_equal(logits, read(llama, FIRST)[0])
    assert isinstance(made.prefixes, DiskPrefixes)
    assert ["the disk is full" in each for each in made.prefixes.warnings()] == [True]
    read(made, SECOND)
    assert len(written) == 3, "for the rest of the run nothing is tried"
    assert len(files(tmp_path)) == 2


def test_a_disk_that_is_nearly_full_is_left_alone(
    llama: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        writer.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 10**12, 10**8)
    )  # pyright: ignore
    made = keeping(llama, tmp_path)
    read(made, FIRST)
    assert isinstance(made.prefixes, DiskPrefixes)
    assert "the disk is full" in made.prefixes.warnings()[0]
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_no_error(
    llama: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*given: object, **options: object) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", denied)
    made = keeping(llama, tmp_path / "none")
    logits, _, _ = read(made, FIRST)
    np.testing.assert_array_equal(logits, read(llama, FIRST)[0])
    assert isinstance(made.prefixes, DiskPrefixes)
    assert len(made.prefixes.warnings()) == 1


def test_the_least_recently_used_gives_way(llama: Engine, tmp_path: Path) -> None:
    read(keeping(llama, tmp_path), FIRST)
    size = shelf.total(tmp_path)
    others = [tiny.random_ids(330, seed) for seed in (11, 12)]
    for ids in others:
        read(keeping(llama, tmp_path, most=int(2.5 * size)), [*ids, 1, 2])
        time.sleep(0.02)
    assert shelf.total(tmp_path) <= 2.5 * size
    assert read(keeping(llama, tmp_path), [*others[1], 3])[2] == MARK
    assert read(keeping(llama, tmp_path), SECOND)[2] < MARK
    assert shelf.orphans(shelf.files(tmp_path / "way")) == []


def test_a_prompt_that_is_more_than_may_be_kept_pushes_nothing_out(llama: Engine, tmp_path: Path) -> None:
    small = tiny.random_ids(70, 3)
    read(keeping(llama, tmp_path), [*small, 4], mark=70)
    kept = files(tmp_path)
    made = keeping(llama, tmp_path, most=int(shelf.total(tmp_path) * 1.5))
    logits, _, _ = read(made, FIRST)
    np.testing.assert_array_equal(logits, read(llama, FIRST)[0])
    assert shelf.total(tmp_path) <= shelf.total(tmp_path) * 1.5
    assert isinstance(made.prefixes, DiskPrefixes)
    assert made.prefixes.warnings() == []
    assert kept


def test_what_one_process_wrote_gives_way_too(llama: Engine, tmp_path: Path) -> None:
    read(keeping(llama, tmp_path), FIRST)
    most = int(2.5 * shelf.total(tmp_path))
    serving = keeping(llama, tmp_path, most=most)
    for seed in range(20, 25):
        ids = tiny.random_ids(330, seed)
        read(serving, [*ids, 1, 2])
        time.sleep(0.02)
        assert shelf.total(tmp_path) <= most
        assert read(serving, [*ids, 3])[2] == MARK


def test_what_others_removed_is_written_again(llama: Engine, tmp_path: Path) -> None:
    serving = keeping(llama, tmp_path)
    read(serving, FIRST)
    shutil.rmtree(tmp_path / "way")
    assert read(serving, FIRST)[2] == 0
    assert read(keeping(llama, tmp_path), SECOND)[2] == MARK


def test_a_clock_that_goes_backwards(llama: Engine, tmp_path: Path) -> None:
    read(keeping(llama, tmp_path), FIRST)
    for number, path in enumerate(files(tmp_path)):
        when = time.time() + 10**6 - 10**5 * number
        os.utime(path, (when, when))
    logits, _, restored = read(keeping(llama, tmp_path), SECOND)
    assert restored == MARK
    np.testing.assert_array_equal(logits, read(llama, SECOND)[0])


def test_two_write_the_same(llama: Engine, tmp_path: Path) -> None:
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: results.append(read(keeping(llama, tmp_path), FIRST)[0]))
        for _ in range(3)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    want = read(llama, FIRST)[0]
    assert len(results) == 3
    for each in results:
        np.testing.assert_array_equal(each, want)
    assert read(keeping(llama, tmp_path), SECOND)[2] == MARK
    assert not [path for path in files(tmp_path) if path.name.endswith(".part")]


def test_what_is_removed_meanwhile_is_a_miss(
    llama: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(keeping(llama, tmp_path), FIRST)
    reading, third = segment.read, files(tmp_path)[2]

    def racing(path: Path, *how: Any) -> Sequence[np.ndarray]:
        third.unlink(missing_ok=True)
        return reading(path, *how)

    monkeypatch.setattr(disk.segment, "read", racing)
    made = keeping(llama, tmp_path)
    logits, _, restored = read(made, SECOND)
    assert restored == 128
    np.testing.assert_array_equal(logits, read(llama, SECOND)[0])
    assert isinstance(made.prefixes, DiskPrefixes)
    assert made.prefixes.warnings() == [], "that is nobody's fault"


def test_it_is_read_ahead(llama: Engine, tmp_path: Path) -> None:
    read(keeping(llama, tmp_path), FIRST)
    made = keeping(llama, tmp_path)
    assert isinstance(made.prefixes, DiskPrefixes)
    prompt = made.trail(SECOND, (), [MARK])
    made.prefixes.ahead(prompt, len(SECOND) + 8)
    shutil.rmtree(tmp_path, ignore_errors=False) if made.prefixes._early[2].result() else None  # pyright: ignore
    logits, _, restored = read(made, SECOND)
    assert restored == MARK, "all of it was in memory by then"
    np.testing.assert_array_equal(logits, read(llama, SECOND)[0])


def test_only_the_owner_may_read(llama: Engine, tmp_path: Path) -> None:
    read(keeping(llama, tmp_path), FIRST)
    assert {path.stat().st_mode & 0o077 for path in files(tmp_path)} == {0}
    assert (tmp_path / "way").stat().st_mode & 0o077 == 0


def test_short_prompts_are_not_kept(llama: Engine, tmp_path: Path) -> None:
    read(keeping(llama, tmp_path), tiny.random_ids(40), mark=0)
    assert files(tmp_path) == []


@pytest.mark.parametrize("kind", ["full", "rings"])
def test_room_does_not_change_what_is_computed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prefix is restored into states of all sizes."""
    monkeypatch.undo()
    engine, states = plain(CONFIGS[kind]()), []
    for room in (400, 3000):
        run = engine.reading(engine.trail(FIRST, (), [MARK]), room)
        while not run.over:
            run.advance()
        states.append(run.state)
    assert states[0].room != states[1].room
    assert same(*states)
