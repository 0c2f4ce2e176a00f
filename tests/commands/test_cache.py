"""What is kept is shown by document, and goes by document."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from gemcli import cached, prefixes
from gemcli.commands.session import Session
from gemcli.errors import GemcliError, UsageError
from gemcli.keep import Keep
from gemcli.main import execute
from model.cache import segment, shelf
from model.cache.trail import trail

DAY = 86_400


def put(
    documents: list[str], *, model: str = "tiny", tokens: int = 2048, seed: int = 0, age: float = 0.0
) -> None:
    """Keep a prompt's beginning."""
    folder, before = prefixes.folder() / "way", ""
    folder.mkdir(parents=True, exist_ok=True)
    for step in trail([*[seed] * tokens, 1], marks=(tokens,)).steps[:-1]:
        about = {"name": step.name, "end": step.end, "about": documents, "more": 0, "model": model}
        path = shelf.piece_path(folder, step.end, step.name, before)
        if not path.exists():
            segment.write(path, about, [np.zeros((1, 1, step.taken, 4), np.float32)])
            os.utime(path, (time.time() - age, time.time() - age))
        before = step.name


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    execute(["cache", *arguments, "-o", "json"], Session())
    return json.loads(capsys.readouterr().out)


def test_nothing_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "list")
    assert (found["prefixes"], found["bytes"]) == ([], 0)
    assert found["limit_bytes"] > 0
    execute(["cache", "list"], Session())
    assert "documents read" in capsys.readouterr().out


def test_documents_are_listed_newest_first(capsys: pytest.CaptureFixture[str]) -> None:
    put(["a.pdf"], seed=1, age=100)
    put(["b/c.pdf", "d.txt"], seed=2, tokens=3000)
    Keep("parsed").put({"x": 1}, "key")
    found = run(capsys, "list")
    assert [each["documents"] for each in found["prefixes"]] == [["b/c.pdf", "d.txt"], ["a.pdf"]]
    assert [each["tokens"] for each in found["prefixes"]] == [3000, 2048]
    assert found["bytes"] == sum(each["bytes"] for each in found["prefixes"])
    assert {each["kind"]: each["files"] for each in found["others"]}["parsed"] == 1
    execute(["cache", "list"], Session())
    shown = capsys.readouterr().out
    assert "b/c.pdf, d.txt" in shown
    assert "3,000" in shown


def test_a_longer_prompt_adds_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    put(["a.pdf"], tokens=2048)
    put(["a.pdf", "b.pdf"], tokens=4096)
    rows = {tuple(each["documents"]): each for each in run(capsys, "list")["prefixes"]}
    assert rows["a.pdf", "b.pdf"]["tokens"] == 4096
    assert rows["a.pdf", "b.pdf"]["files"] == 2, "what both begin with is the first one's"


@pytest.mark.parametrize("word", ["a.pdf", "docs/a.pdf", "a.*", "id"])
def test_a_document_is_found_by_its_names(capsys: pytest.CaptureFixture[str], word: str) -> None:
    put(["docs/a.pdf"], seed=1)
    put(["b.pdf"], seed=2)
    if word == "id":
        word = next(each.id for each in cached.kept() if each.documents == ("docs/a.pdf",))
    (found,) = run(capsys, "show", word)["prefixes"]
    assert found["documents"] == ["docs/a.pdf"]
    assert [each["tokens"] for each in found["paths"]] == [1024, 2048]
    execute(["cache", "show", word], Session())
    assert "docs/a.pdf" in capsys.readouterr().out


def test_what_is_not_kept_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"nothing is kept of 'none\.pdf'"):
        execute(["cache", "rm", "none.pdf", "-y"], Session())


def test_a_document_goes_with_what_builds_upon_it(capsys: pytest.CaptureFixture[str]) -> None:
    put(["a.pdf"], tokens=2048)
    put(["a.pdf", "b.pdf"], tokens=4096)
    put(["c.pdf"], seed=3)
    before = run(capsys, "list")["bytes"]
    freed = run(capsys, "rm", "a.pdf", "-y")["freed_bytes"]
    left = run(capsys, "list")
    assert [each["documents"] for each in left["prefixes"]] == [["c.pdf"]]
    assert freed == before - left["bytes"]


def test_a_model_goes(capsys: pytest.CaptureFixture[str]) -> None:
    put(["a.pdf"], seed=1, model="one")
    put(["a.pdf"], seed=2, model="two")
    run(capsys, "rm", "-m", "one", "-y")
    assert [each["model"] for each in run(capsys, "list")["prefixes"]] == ["two"]


def test_everything_goes(capsys: pytest.CaptureFixture[str]) -> None:
    put(["a.pdf"])
    Keep("parsed").put({"x": 1}, "key")
    run(capsys, "rm", "--all", "-y")
    found = run(capsys, "list")
    assert found["prefixes"] == []
    assert sum(each["files"] for each in found["others"]) == 0


@pytest.mark.parametrize("what", ["a.pdf", "--all"])
def test_what_cannot_be_deleted_is_an_error(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    put(["a.pdf"])
    monkeypatch.setattr(shelf, "remove", lambda path: False)  # a disk that may be read alone
    with pytest.raises(GemcliError, match="2 of 2 files could not be deleted") as caught:
        execute(["cache", "rm", what, "-y"], Session())
    assert caught.value.exit_code == 1
    assert len(cached.kept()) == 1


def test_nothing_goes_unasked() -> None:
    put(["a.pdf"])
    with pytest.raises(UsageError, match="unasked"):
        execute(["cache", "rm", "a.pdf"], Session())
    with pytest.raises(UsageError, match="what is to be deleted"):
        execute(["cache", "rm"], Session())
    with pytest.raises(UsageError, match="what is to be deleted"):
        execute(["cache", "rm", "a.pdf", "--all"], Session())
    assert len(cached.kept()) == 1


def test_what_is_old_is_pruned(capsys: pytest.CaptureFixture[str]) -> None:
    put(["old.pdf"], seed=1, age=40 * DAY)
    put(["new.pdf"], seed=2)
    assert run(capsys, "prune", "--older-than", "30d")["freed_bytes"] > 0
    assert [each["documents"] for each in run(capsys, "list")["prefixes"]] == [["new.pdf"]]
    with pytest.raises(UsageError, match="--older-than"):
        execute(["cache", "prune", "--older-than", "soon"], Session())


def test_what_is_more_than_may_be_is_pruned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(["old.pdf"], seed=1, age=DAY)
    put(["new.pdf"], seed=2)
    monkeypatch.setenv("GEMCLI_CACHE_SIZE", "40k")
    run(capsys, "prune")
    found = run(capsys, "list")
    assert [each["documents"] for each in found["prefixes"]] == [["new.pdf"]]
    assert found["bytes"] <= found["limit_bytes"] == 40_000


@pytest.mark.parametrize(
    ("text", "size"),
    [("10GB", 10**10), ("1.5 GiB", 3 << 29), ("500m", 5 * 10**8), ("0", 0), ("12", 12), ("8kB", 8000)]
    + [(word, None) for word in ("", "much", "-1", "10 apples", "GB", "1ib")],
)
def test_sizes(text: str, size: int | None) -> None:
    assert prefixes.parsed(text) == size


def test_a_size_is_set_by_the_variable_or_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prefixes.limit() is None
    (home / "config.toml").write_text('cache_size = "2GB"\n')
    assert prefixes.limit() == 2 * 10**9
    monkeypatch.setenv("GEMCLI_CACHE_SIZE", "3GB")
    assert prefixes.limit() == 3 * 10**9
    monkeypatch.setenv("GEMCLI_CACHE_SIZE", "big")
    with pytest.raises(UsageError, match="no size"):
        prefixes.limit()


def test_a_file_that_is_not_ours_is_shown_and_goes(capsys: pytest.CaptureFixture[str]) -> None:
    put(["a.pdf"])
    next(iter((prefixes.folder() / "way").iterdir())).write_bytes(b"PK")
    assert {tuple(each["documents"]) for each in run(capsys, "list")["prefixes"]} == {("a.pdf",), ()}
    run(capsys, "rm", "--all", "-y")
    assert run(capsys, "list")["prefixes"] == []
