"""The default of a machine with an accelerator: all the senses, a long context, and never chosen twice."""

from __future__ import annotations

import pytest

from gemcli import settings
from gemcli.errors import ModelUnavailableError
from gemcli.hub import aliases, default, devices, hub_name, recorded, store
from gemcli.hub.default import ACCELERATED, DEFAULTS, default_name
from gemcli.hub.devices import Device
from gemcli.hub.resolve import resolve
from tests.hub.conftest import Events, Hub


def machine(monkeypatch: pytest.MonkeyPatch, *found: Device) -> None:
    monkeypatch.setattr(devices, "accelerators", lambda: found)
    monkeypatch.setattr(default, "available_bytes", lambda: 20_000_000_000)


@pytest.mark.parametrize(
    ("memory", "name"),
    [
        (60e9, "gemma-4-e4b"),
        (9e9, "gemma-4-e4b"),
        (8e9, "gemma-4-e2b"),
        (6e9, "gemma-4-e2b"),
        (4e9, DEFAULTS[0]),
    ],
)
def test_the_largest_that_leaves_room(monkeypatch: pytest.MonkeyPatch, memory: float, name: str) -> None:
    machine(monkeypatch, Device("gpu", "Card", int(memory)))
    found, why = default_name()
    assert found == name
    assert ("all the senses" in why and "Card" in why) == (name in ACCELERATED)
    assert not settings.config_path().exists(), "looking changes nothing"


def test_memory_that_is_not_told_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, Device("tpu", "TPU", None))
    assert default_name() == ("gemma-4-e4b", "the default on a TPU: it has all the senses")


def test_it_hears_and_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ACCELERATED:
        alias = aliases.find(name)
        assert alias is not None
        assert set(alias.senses) == {"text", "image", "video", "audio"}
        assert default.needed(alias) > alias.about


def test_what_is_installed_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, Device("gpu", "Card", 60_000_000_000))
    here = recorded.Installed("smollm2-135m", "", recorded.final_path, 1, "", "", "", "", "ready")  # type: ignore[arg-type]
    small = recorded.Installed(DEFAULTS[1], "", here.path, 1, "", "", "", "", "ready")
    monkeypatch.setattr(store, "installed", lambda: [here, small])
    assert default_name() == (DEFAULTS[1], "it is installed")
    monkeypatch.setattr(hub_name, "find_local", lambda spec: small)
    assert default_name() == (ACCELERATED[0], "it is installed")


def test_it_is_not_fetched_unasked_and_a_way_out_is_named(
    monkeypatch: pytest.MonkeyPatch, hub: Hub, events: Events
) -> None:
    machine(monkeypatch, Device("gpu", "Card", 60_000_000_000))
    with pytest.raises(
        ModelUnavailableError, match=r"gemma-4-e4b is not installed, and a download of 6"
    ) as caught:
        resolve(None, offline=False, on_event=events)
    assert caught.value.exit_code == 5
    assert caught.value.hint == (
        f"Run: gemcli pull gemma-4-e4b. `-m {DEFAULTS[0]}` is a small model that needs no hub."
    )
    assert hub.seen == []
    assert settings.load_config() == {"model": "gemma-4-e4b"}
    machine(monkeypatch)  # the accelerator is gone: what was chosen stays
    assert default_name()[0] == "gemma-4-e4b"
