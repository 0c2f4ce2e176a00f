"""A file of arrays is what was written, or it says that it is not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from model.cache import segment

ABOUT = {"name": "abc", "end": 3, "about": ["a.pdf"], "model": "tiny"}


def some() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 1 << 16, (2, 1, 3, 8)).astype(np.uint16),
        rng.standard_normal((1, 5)).astype(np.float32),
        np.int32(7) * np.ones((), np.int32),
    ]


@settings(max_examples=40)
@given(
    st.lists(
        st.sampled_from(["uint16", "float32", "int8", "int32"]).flatmap(
            lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=4, max_side=5))
        ),
        max_size=4,
    )
)
def test_what_is_read_is_what_was_written(tmp_path_factory: pytest.TempPathFactory, given: list) -> None:
    path = tmp_path_factory.mktemp("one") / "x.kv"
    assert segment.write(path, ABOUT, given) == path.stat().st_size
    found = segment.read(path, "abc")
    assert len(found) == len(given)
    for ours, theirs in zip(found, given, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
        assert ours.ctypes.data % 64 == 0 or ours.size == 0
    assert {key: segment.describe(path)[key] for key in ABOUT} == ABOUT


@given(
    st.sampled_from(["uint16", "float32", "int8"]).flatmap(
        lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=4, max_dims=4, max_side=4))
    ),
    st.integers(0, 3),
    st.booleans(),
)
def test_it_is_read_into_the_place_that_is_given(
    tmp_path_factory: pytest.TempPathFactory, given: np.ndarray, first: int, damaged: bool
) -> None:
    path = tmp_path_factory.mktemp("one") / "x.kv"
    segment.write(path, ABOUT, [given, given])
    shape = (*given.shape[:2], given.shape[2] + 3, given.shape[3])
    whole = [np.zeros(shape, given.dtype) for _ in range(2)]
    places = [each[:, :, first : first + given.shape[2]] for each in whole]
    wanted = [(given.shape, str(given.dtype))] * 2
    want = [each.copy() for each in whole]
    if damaged:
        data = bytearray(path.read_bytes())
        data[-64] ^= 1  # of the second array
        path.write_bytes(data)
        with pytest.raises(segment.DamagedError, match="numbers"):
            segment.read(path, "abc", wanted, places)
    else:
        assert segment.read(path, "abc", wanted, places) is places
        for each in want:
            each[:, :, first : first + given.shape[2]] = given
    for ours, theirs in zip(whole, want, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_another_shape_is_damaged_and_nothing_is_written(tmp_path: Path) -> None:
    segment.write(tmp_path / "x.kv", ABOUT, [np.ones((2, 3), np.int8)])
    place = np.full((3, 2), 7, np.int8)
    with pytest.raises(segment.DamagedError, match="another shape"):
        segment.read(tmp_path / "x.kv", "abc", [((3, 2), "int8")], [place])
    assert (place == 7).all()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    segment.write(tmp_path / "x.kv", ABOUT, some())
    assert stat.S_IMODE((tmp_path / "x.kv").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["x.kv"], "no draft is left"


def test_no_byte_can_change_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "x.kv"
    size = segment.write(path, ABOUT, some())
    whole = path.read_bytes()
    unseen = []
    for at in range(size):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        try:
            found = segment.read(path, "abc")
        except segment.DamagedError:
            continue
        for ours, theirs in zip(found, some(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        unseen.append(at)
    assert all(whole[at] == 0 for at in unseen), "only what fills the gaps between arrays may be anything"
    assert len(unseen) < 4 * 64


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9])
def test_what_is_cut_short_is_damaged(tmp_path: Path, share: float) -> None:
    path = tmp_path / "x.kv"
    size = segment.write(path, ABOUT, some())
    os.truncate(path, int(size * share))
    with pytest.raises(segment.DamagedError):
        segment.read(path, "abc")


def test_what_has_become_huge_is_damaged_and_not_taken_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.kv"
    segment.write(path, ABOUT, some())
    os.truncate(path, 1 << 43)  # takes no disk: the rest is a hole
    with pytest.raises(segment.DamagedError, match="not as long"):
        segment.read(path, "abc")


@pytest.mark.parametrize("other", [b"", b"%PDF-1.7", b"GGUF" * 100, b"gemcli-kv1\n\0" + b"\xff" * 80])
def test_what_is_not_ours_is_damaged(tmp_path: Path, other: bytes) -> None:
    path = tmp_path / "x.kv"
    path.write_bytes(other)
    with pytest.raises(segment.DamagedError):
        segment.read(path, "abc")
    with pytest.raises(segment.DamagedError):
        segment.describe(path)


def test_what_is_of_something_else_is_damaged(tmp_path: Path) -> None:
    segment.write(tmp_path / "x.kv", ABOUT, some())
    with pytest.raises(segment.DamagedError, match="something else"):
        segment.read(tmp_path / "x.kv", "other")


def test_a_disk_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: object, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segment, "_all", fail)
    with pytest.raises(OSError, match="No space"):
        segment.write(tmp_path / "x.kv", ABOUT, some())
    assert list(tmp_path.iterdir()) == []
