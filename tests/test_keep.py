"""An entry is what was put under its key, or there is none."""

from __future__ import annotations

import gzip
import json
import stat
import threading
from pathlib import Path

import pytest

from gemcli.keep import Keep

KEEP = Keep("parsed")


def entry(*key: object) -> Path:
    """Where an entry is."""
    before = set(KEEP._path(key).parent.glob("*"))
    KEEP.put({"of": key}, *key)
    (path,) = set(KEEP._path(key).parent.glob("*")) - before
    return path


def test_what_is_put_is_got() -> None:
    entry("a", 1)
    assert KEEP.get("a", 1) == {"of": ["a", 1]}
    assert KEEP.get("a", 2) is None
    assert Keep("ocr").get("a", 1) is None
    assert Keep("parsed", on=False).get("a", 1) is None


@pytest.mark.parametrize("text", ["{}", "[1, 2]", "7", "null", "[" * 100_000, "no json"])
def test_what_is_no_entry_is_a_miss(text: str) -> None:
    path = entry("a")
    path.write_bytes(gzip.compress(text.encode()))
    assert KEEP.get("a") is None
    assert not path.exists()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_what_is_cut_short_is_a_miss(share: float) -> None:
    path = entry("a")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert KEEP.get("a") is None
    assert not path.exists()


def test_an_entry_of_another_key_is_a_miss() -> None:
    ours, other = entry("a"), entry("b")
    ours.write_bytes(other.read_bytes())
    assert KEEP.get("a") is None
    assert KEEP.get("b") == {"of": ["b"]}


def test_only_the_owner_may_read_it() -> None:
    assert stat.S_IMODE(entry("a").stat().st_mode) == 0o600


def test_threads_that_put_the_same_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    path, drafts, both = entry("a"), [], threading.Barrier(2, timeout=10)
    replace = Path.replace

    def slow(self: Path, target: Path) -> Path:
        drafts.append(self)
        both.wait()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", slow)
    threads = [threading.Thread(target=KEEP.put, args=(n, "a")) for n in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(drafts)) == 2
    assert json.loads(gzip.decompress(path.read_bytes()))[1] in (0, 1)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
