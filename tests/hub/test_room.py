"""What is said of a model for which there is no room: the numbers, and what would fit."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gemcli.errors import OutOfMemoryError
from gemcli.hub import room
from model import footprint, memory
from model.arch.released import released


def card(name: str, weights: int, path: str = "m.gguf") -> Any:
    about = released(name)
    return SimpleNamespace(
        path=Path(path),
        config=about.config,
        vision=None,
        audio=None,
        encoders=None,
        quantization="BF16",
        weights_bytes=weights,
    )


def refused(monkeypatch: pytest.MonkeyPatch, about: Any, tokens: int, free: int | None) -> OutOfMemoryError:
    monkeypatch.setattr(memory, "accelerator_bytes", lambda: None)
    monkeypatch.setattr(room, "available_bytes", lambda: free)
    with pytest.raises(OutOfMemoryError) as caught:
        room.check_room("big", about, tokens)
    assert caught.value.exit_code == 6
    return caught.value


def test_a_large_file(monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused(monkeypatch, card("gemma-4-31b", 61_400_000_000), 1000, 24_000_000_000)
    cache = footprint.cache_bytes(released("gemma-4-31b").config, 1000)
    total = (61_400_000_000 + cache) / 1e9
    assert error.message.startswith(f"big needs {total:.2f} GB of memory (61.40 GB for its weights, ")
    assert error.message.endswith(" for 1,000 tokens), and 24.00 GB are free")
    assert error.hint is not None
    assert "In 4 bits (a GGUF of type Q4_0) it would take 19.80 GB." in error.hint
    assert "These fit: gemma-4-31b, gemma-3-27b, recurrentgemma-9b (" in error.hint


def test_a_long_context(monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused(monkeypatch, card("gemma-2b", 2_600_000_000), 8192, 2_700_000_000)
    assert error.hint is not None
    assert error.hint.startswith(
        "There is room for 4,096 tokens at --kv-bits 16 and 8,192 tokens at --kv-bits 8. Give a smaller "
    )


def test_a_folder_is_rounded_as_it_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = card("gemma-2b", 5_012_344_832, path=str(tmp_path))
    need = footprint.weights_bytes(folder.config, "int8") + footprint.cache_bytes(folder.config, 10)
    refused(monkeypatch, folder, 10, need - 1)
    monkeypatch.setattr(room, "available_bytes", lambda: need)
    room.check_room("big", folder, 10)


def test_nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused(monkeypatch, card("gemma-2b", 2_600_000_000), 10, 1000)
    assert error.hint == "Free some memory, or use a larger machine."


def test_memory_that_is_not_known_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "accelerator_bytes", lambda: None)
    monkeypatch.setattr(room, "available_bytes", lambda: None)
    room.check_room("big", card("gemma-4-31b", 61_400_000_000), 1000)


def test_an_accelerator_counts_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "available_bytes", lambda: 10**12)
    monkeypatch.setattr(memory, "accelerator_bytes", lambda: 10**9)
    with pytest.raises(OutOfMemoryError, match=r"of the accelerator's memory .* 1\.00 GB are free"):
        room.check_room("big", card("gemma-2b", 2_600_000_000), 10)


def test_what_an_accelerator_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def array_library(platform: str, told: dict[str, int] | None) -> None:
        device = SimpleNamespace(platform=platform, memory_stats=lambda: told)
        monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(devices=lambda: [device]))  # type: ignore[arg-type]

    array_library("cpu", {"bytes_limit": 7})
    assert memory.accelerator_bytes() is None
    array_library("gpu", {"bytes_limit": 7, "bytes_in_use": 2})
    assert memory.accelerator_bytes() == 5
    array_library("tpu", None)
    assert memory.accelerator_bytes() is None
    monkeypatch.delitem(sys.modules, "jax")
    assert memory.accelerator_bytes() is None
