"""A model's files are read once, and again when they change."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import tiny

from gemcli.described import card_of
from model.errors import FormatError


@pytest.fixture
def parrot(tmp_path: Path) -> Path:
    return tiny.write_parrot(tmp_path / "parrot.gguf", [tiny.START, *b"Yes", tiny.END])


def test_it_is_read_once(parrot: Path) -> None:
    assert card_of(parrot) is card_of(parrot)


def test_a_file_that_changed_is_read_again(parrot: Path) -> None:
    before = card_of(parrot)
    os.utime(parrot, ns=(1, 1))
    assert card_of(parrot) is not before


def test_what_comes_to_lie_beside_it_counts(parrot: Path) -> None:
    """It may be the sight of the model; this one is damaged, which only shows when it is read."""
    card_of(parrot)
    (parrot.parent / "mmproj.gguf").write_bytes(b"no model")
    with pytest.raises(FormatError):
        card_of(parrot)


def test_a_model_that_goes_is_gone(parrot: Path) -> None:
    card_of(parrot)
    shutil.rmtree(parrot.parent)
    with pytest.raises(FileNotFoundError):
        card_of(parrot)
