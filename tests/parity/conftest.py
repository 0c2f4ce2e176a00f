"""The files beside this one as fixtures, and each model once in each precision."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from model.card import ModelCard, describe
from model.engine.engine import Engine

HERE = Path(__file__).parent


def _beside(name: str) -> ModuleType:
    """The module NAME.py of this folder; tests are collected without the folder on the path."""
    known = f"parity_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return sys.modules[known]


@pytest.fixture(scope="session")
def transformers() -> None:
    """The reference itself; with ``CI=true`` it must be there."""
    missing = [each for each in ("torch", "transformers") if importlib.util.find_spec(each) is None]
    if missing:
        why = f"{', '.join(missing)} missing; the extra `parity` brings it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)


@pytest.fixture(scope="session")
def make_griffin() -> ModuleType:
    return _beside("make_griffin")


@pytest.fixture(scope="session")
def cases() -> ModuleType:
    return _beside("cases")


@pytest.fixture(scope="session")
def compare() -> ModuleType:
    return _beside("compare")


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    return _beside("reference")


@pytest.fixture(scope="session")
def audio_reference() -> ModuleType:
    return _beside("audio_reference")


@pytest.fixture(scope="session")
def families() -> ModuleType:
    return _beside("families")


@pytest.fixture(scope="session")
def families_reference() -> ModuleType:
    return _beside("families_reference")


@pytest.fixture(scope="session")
def mixed() -> ModuleType:
    return _beside("mixed")


@pytest.fixture(scope="session")
def mixed_reference() -> ModuleType:
    return _beside("mixed_reference")


@pytest.fixture(scope="session")
def vision_reference() -> Callable[[], ModuleType]:
    """Gives the module when it is called: it cannot be imported without the reference."""
    return lambda: _beside("vision_reference")


@pytest.fixture(scope="module")
def card(name: str, weights: Callable[[str], Path]) -> ModelCard:
    """The model called `name`, which the test module chooses."""
    return describe(weights(name))


@pytest.fixture(scope="module")
def exact(card: ModelCard) -> Engine:
    """It computes with exactly the file's numbers, in f32."""
    from model.load import load

    return load(card, precision="float32").engine


@pytest.fixture(scope="module")
def default(card: ModelCard) -> Engine:
    """It computes as it does for a person."""
    from model.load import load

    return load(card).engine
