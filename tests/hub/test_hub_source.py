"""Downloads from a hub that redirects, drops, stalls, lies, refuses or is not there."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from gemcli.errors import ModelUnavailableError
from gemcli.events import Event, Progress
from gemcli.hub import hub_source, recorded, store, web
from gemcli.hub.hub_source import cached_blob
from gemcli.hub.pull import pull
from gemcli.hub.source import HubSource
from tests.hub.conftest import Events, Hub, content_of, make_entry

CONTENT = content_of(300_000)


def test_a_file_comes_through_the_redirect_and_is_recorded(hub: Hub, events: Events) -> None:
    entry = hub.entry(CONTENT)
    path = pull(entry, on_event=events)
    assert path.read_bytes() == CONTENT
    assert store.path_of(entry) == path
    assert [each.range for each in hub.seen] == [None, None]
    assert events.progress("pull")[-1] == len(CONTENT)
    assert "hub: owner/repo" in store.installed()[0].source


def test_the_token_goes_to_the_hub_and_nowhere_else(
    hub: Hub, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pull(hub.entry(CONTENT), on_event=events)
    first, second = hub.seen
    assert first.authorization == "Bearer hf_secret"
    assert second.path.startswith("/cdn/")
    assert second.authorization is None


def test_the_stored_token_is_used(hub: Hub, events: Events, tmp_path: Path) -> None:
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_stored\n")
    pull(hub.entry(CONTENT), on_event=events)
    assert hub.seen[0].authorization == "Bearer hf_stored"


def test_a_dropped_connection_goes_on_where_it_stopped(hub: Hub, events: Events) -> None:
    hub.cuts = [100_000, 50_000]
    assert pull(hub.entry(CONTENT), on_event=events).read_bytes() == CONTENT
    assert [each.range for each in hub.downloads()] == [None, "bytes=100000-", "bytes=150000-"]


def test_an_interrupted_pull_resumes_in_the_next_call(hub: Hub, events: Events) -> None:
    entry = hub.entry(CONTENT)
    hub.cuts = [120_000] + [0] * 20
    with pytest.raises(ModelUnavailableError, match="dropped"):
        pull(entry, on_event=events)
    assert store.partial_bytes(entry) == 120_000
    hub.cuts.clear()
    hub.seen.clear()
    assert pull(entry, on_event=events).read_bytes() == CONTENT
    assert [each.range for each in hub.downloads()] == ["bytes=120000-"]
    assert "are here already" in events.warnings[-1]


def test_a_hub_that_ignores_ranges_begins_anew(hub: Hub, events: Events) -> None:
    hub.cuts, hub.ignore_range = [100_000], True
    assert pull(hub.entry(CONTENT), on_event=events).read_bytes() == CONTENT
    assert len(hub.downloads()) == 2


def test_another_range_than_asked_for_is_not_appended(hub: Hub, events: Events) -> None:
    hub.cuts, hub.shift_range = [100_000], True
    assert pull(hub.entry(CONTENT), on_event=events).read_bytes() == CONTENT


def test_a_stalled_connection_is_dropped_and_resumed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "STALL_S", 0.2)
    hub.pause_s = 1.0
    entry = hub.entry(CONTENT)

    def unblock(event: Event) -> None:
        if isinstance(event, Progress) and event.done:  # the second half is being waited for
            hub.pause_s = 0.0

    assert pull(entry, on_event=unblock).read_bytes() == CONTENT
    assert [each.range for each in hub.downloads()] == [None, "bytes=150000-"]


def test_server_errors_are_tried_again_where_there_is_no_other_source(hub: Hub, events: Events) -> None:
    hub.failures = [503, 500]
    assert pull(hub.entry(CONTENT), on_event=events).read_bytes() == CONTENT


def test_wrong_bytes_of_the_right_length_are_refused(hub: Hub, events: Events) -> None:
    entry = hub.entry(CONTENT)
    hub.damage = True
    with pytest.raises(ModelUnavailableError, match="not the known file"):
        pull(entry, on_event=events)
    assert store.path_of(entry) is None
    assert not recorded.final_path(entry).exists()
    assert store.partial_bytes(entry) == 0


def test_a_damaged_resume_is_begun_anew_once(hub: Hub, events: Events) -> None:
    entry = hub.entry(CONTENT)
    hub.damage, hub.cuts = True, [100_000] + [0] * 20
    with pytest.raises(ModelUnavailableError):
        pull(entry, on_event=events)
    hub.damage, hub.cuts = False, []
    assert pull(entry, on_event=events).read_bytes() == CONTENT
    assert [each.range for each in hub.downloads()][-2:] == ["bytes=100000-", None]


def test_a_changed_file_is_refused_before_it_is_downloaded(hub: Hub, events: Events) -> None:
    hub.etag = "ab" * 32
    with pytest.raises(ModelUnavailableError, match=r"another tiny\.gguf than the known one"):
        pull(hub.entry(CONTENT), on_event=events)
    assert events.progress("pull") == []


def test_a_change_between_two_attempts_is_noticed(hub: Hub, events: Events) -> None:
    entry = hub.entry(CONTENT)
    hub.cuts = [100_000] + [0] * 20
    with pytest.raises(ModelUnavailableError):
        pull(entry, on_event=events)
    other = content_of(300_000, seed=1)
    changed = hub.entry(other)
    hub.cuts.clear()
    hub.seen.clear()
    assert pull(changed, on_event=events).read_bytes() == other
    assert [each.range for each in hub.downloads()] == [None]  # the old prefix belongs to another file


@pytest.mark.parametrize("length", [299_999, 300_001])
def test_another_length_than_known_is_refused(hub: Hub, events: Events, length: int) -> None:
    hub.length = length
    with pytest.raises(ModelUnavailableError, match="bytes there, the known file 300,000"):
        pull(hub.entry(CONTENT), on_event=events)


@pytest.mark.parametrize(
    ("status", "code", "message", "hint"),
    [
        (401, "GatedRepo", "gated", "HF_TOKEN"),
        (403, "GatedRepo", "gated", "Accept its terms at"),
        (401, "RepoNotFound", "does not exist, is private or is gated", "HF_TOKEN"),
        (404, "RepoNotFound", "does not exist", "Check the name"),
        (404, "EntryNotFound", "has no tiny.gguf", "See "),
    ],
)
def test_refusals_say_what_to_do(
    hub: Hub, events: Events, status: int, code: str, message: str, hint: str
) -> None:
    hub.refuse["owner/repo"] = (status, {"X-Error-Code": code})
    with pytest.raises(ModelUnavailableError, match=message) as caught:
        pull(hub.entry(CONTENT), on_event=events)
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == 5


def test_an_unreachable_hub_is_said_in_one_line(events: Events) -> None:
    entry = make_entry(CONTENT, HubSource("owner/repo", "tiny.gguf"))
    with pytest.raises(ModelUnavailableError, match="does not answer: Connection refused") as caught:
        pull(entry, on_event=events)
    assert "\n" not in caught.value.message
    assert "HF_ENDPOINT" in (caught.value.hint or "")


def test_offline_variables_forbid_the_hub(hub: Hub, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailableError, match="HF_HUB_OFFLINE"):
        pull(hub.entry(CONTENT), on_event=events)
    assert hub.seen == []


def test_a_silent_hub_is_given_up_soon_and_asked_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_source, "FIRST_CONTACT_S", 0.3)
    hub.stall_s = 3.0
    begin = time.monotonic()
    for _ in range(3):
        with pytest.raises(hub_source.SourceError, match="no answer within"):
            hub_source.get("/owner/repo/resolve/main/x", headers={}, alternatives=True)
    assert time.monotonic() - begin < 2.0
    assert len(hub.seen) == 1


def cache(tmp_path: Path, content: bytes, name: str) -> Path:
    blobs = tmp_path / "hf" / "hub" / "models--owner--repo" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / name).write_bytes(content)
    return blobs / name


def test_the_cache_of_other_tools_is_used_without_the_network(tmp_path: Path, events: Events) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    blob = cache(tmp_path, CONTENT, sha256)
    source = HubSource("owner/repo", "tiny.gguf")
    assert cached_blob(source, sha256, len(CONTENT)) == blob
    path = pull(make_entry(CONTENT, source), on_event=events)
    assert path.read_bytes() == CONTENT
    assert path.samefile(blob)  # a link takes no room


def test_where_no_link_can_be_made_the_cached_file_is_copied(
    tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = cache(tmp_path, CONTENT, hashlib.sha256(CONTENT).hexdigest())

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    path = pull(make_entry(CONTENT, HubSource("owner/repo", "tiny.gguf")), on_event=events)
    assert path.read_bytes() == CONTENT
    assert not path.samefile(blob)


@pytest.mark.parametrize("linked", [True, False])
def test_a_damaged_cache_is_passed_over_and_left_alone(
    hub: Hub, tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    damaged = bytes(len(CONTENT))
    blob = cache(tmp_path, damaged, hashlib.sha256(CONTENT).hexdigest())
    if not linked:
        monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(18, "no links")))
    path = pull(hub.entry(CONTENT), on_event=events)
    assert path.read_bytes() == CONTENT
    assert blob.read_bytes() == damaged
    assert len(hub.downloads()) == 1
