"""A program that is kept is loaded, not made again; what differs in anything is another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model import program as programs
from model import version
from model.program import Program


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Pair:
    """What goes in and comes out."""

    left: jax.Array
    right: jax.Array | None
    name: str = field(metadata={"static": True})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    programs.keep_in(tmp_path)
    yield tmp_path
    programs.keep_in(None)


class Made:
    """A fresh process' view of one function, which counts how often it is traced."""

    def __init__(self) -> None:
        self.traced = 0

    def program(self, donate: tuple[int, ...] = (1,)) -> Program[tuple[Pair, jax.Array]]:
        def scaled(factor: int, pair: Pair, more: jax.Array) -> tuple[Pair, jax.Array]:
            self.traced += 1
            return Pair(pair.left * factor + more, None, pair.name), more.sum()

        return Program(scaled, (0,), donate)


def pair(size: int = 4, name: str = "a") -> Pair:
    return Pair(jnp.arange(size, dtype=jnp.float32), jnp.ones(2), name)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.program"))


def test_the_next_process_does_not_trace(folder: Path) -> None:
    made = Made()
    more = np.float32(2)
    first, total = made.program()(3, pair(), more)
    again, same = made.program()(3, pair(), more)
    assert made.traced == 1
    np.testing.assert_array_equal(first.left, np.arange(4) * 3 + 2)
    np.testing.assert_array_equal(first.left, again.left)
    assert (again.right, again.name, float(total), float(same)) == (None, "a", 2.0, 2.0)
    assert len(files(folder)) == 1
    assert files(folder)[0].stat().st_mode & 0o077 == 0


def test_what_is_donated_is_used_up_also_by_one_that_was_kept() -> None:
    made = Made()
    for _ in range(2):
        given = pair(1024)
        made.program()(1, given, np.float32(0))
        assert given.left.is_deleted()
    given = pair(1024)
    made.program(donate=())(1, given, np.float32(1))


@pytest.mark.parametrize(
    "other",
    [(4, "a", 4, np.float32), (3, "b", 4, np.float32), (3, "a", 5, np.float32), (3, "a", 4, np.int32)],
)
def test_what_differs_in_anything_is_another(folder: Path, other: tuple[int, str, int, Any]) -> None:
    made = Made()
    made.program()(3, pair(), np.float32(2))
    factor, name, size, kind = other
    got, _ = made.program()(factor, pair(size, name), kind(2))
    np.testing.assert_array_equal(got.left, np.arange(size) * factor + 2)
    assert got.name == name
    assert made.traced == 2
    assert len(files(folder)) == 2


@pytest.mark.parametrize("what", ["code", "machine"])
def test_other_code_or_another_machine_make_their_own(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made()
    made.program()(3, pair(), np.float32(2))
    monkeypatch.setattr(version, what, lambda: "another")
    made.program()(3, pair(), np.float32(2))
    assert made.traced == 2


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "a folder"])
def test_a_damaged_one_is_made_again(folder: Path, damage: str) -> None:
    made = Made()
    made.program()(3, pair(), np.float32(2))
    (file,) = files(folder)
    whole = file.read_bytes()
    file.unlink()
    if damage == "a folder":
        file.mkdir()
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        file.write_bytes({"cut": whole[:-7], "changed": flipped, "empty": b""}[damage])
    got, _ = made.program()(3, pair(), np.float32(2))
    np.testing.assert_array_equal(got.left, np.arange(4) * 3 + 2)
    assert made.traced == 2
    made.program()(3, pair(), np.float32(2))
    assert made.traced == (3 if damage == "a folder" else 2)


def test_nothing_is_written_where_nothing_may_be(folder: Path) -> None:
    made = Made()
    programs.keep_in(folder, write=False)
    made.program()(3, pair(), np.float32(2))
    assert files(folder) == []
    programs.keep_in(folder)
    made.program()(3, pair(), np.float32(2))
    programs.keep_in(folder, write=False)
    made.program()(3, pair(), np.float32(2))
    assert made.traced == 2


def test_without_a_folder_it_is_compiled_for_this_process(folder: Path) -> None:
    made = Made()
    programs.keep_in(None)
    one = made.program()
    for _ in range(2):
        one(3, pair(), np.float32(2))
    assert (made.traced, one.count) == (1, 1)
    assert files(folder) == []


def test_inside_of_another_function_it_is_part_of_that(folder: Path) -> None:
    one = Made().program(donate=())
    got = jax.jit(lambda x: one(3, x, jnp.float32(2))[0].left)(pair())
    np.testing.assert_array_equal(got, np.arange(4) * 3 + 2)
    assert files(folder) == []


def test_a_folder_that_goes_away_is_no_trouble(folder: Path) -> None:
    programs.keep_in(folder / "none")
    got, _ = Made().program()(3, pair(), np.float32(2))
    np.testing.assert_array_equal(got.left, np.arange(4) * 3 + 2)


def test_what_nobody_has_loaded_for_long_goes(folder: Path) -> None:
    import os
    import time

    old, young, other = (folder / name for name in ("a.program", "b.program", "c.so"))
    for each in (old, young, other):
        each.write_bytes(b"")
    long_ago = time.time() - 40 * 86_400
    os.utime(old, (long_ago, long_ago))
    os.utime(other, (long_ago, long_ago))
    programs.keep_in(folder)
    assert sorted(each.name for each in folder.iterdir()) == ["b.program", "c.so"]
