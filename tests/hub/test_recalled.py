"""What is said of lengths beyond the training is of models and ways of reading that there are."""

from __future__ import annotations

from typing import get_args

from gemcli.hub import catalog
from gemcli.hub.recalled import RECALLED, recalled
from model.reach import Mode


def test_figures_are_of_the_catalogue() -> None:
    for (name, attention), found in RECALLED.items():
        assert catalog.find(name).name == name
        assert attention in get_args(Mode)
        assert list(found) == sorted(found)
        assert all(0 <= right <= hidden for right, hidden in found.values())


def test_what_nobody_measured_is_not_said() -> None:
    assert recalled("smollm2-135m", "sparse") is None
    assert recalled("/a/file.gguf", "dense") is None


def test_the_words() -> None:
    said = recalled("gemma-3-270m", "sparse")
    assert said is not None
    assert said.startswith("3 of 3 pass keys at 65,536, ")
