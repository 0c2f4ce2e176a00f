"""Servers with tiny models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import whole
from serving import ANSWER, Serving

Serve = Callable[..., Serving]


@pytest.fixture(scope="session")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that answers everything with `ANSWER`."""
    folder = tmp_path_factory.mktemp("parrot")
    return tiny.write_parrot(folder / "parrot.gguf", [tiny.START, *ANSWER.encode(), tiny.END])


@pytest.fixture(scope="session")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights that sees and hears as Gemma 4 does."""
    return whole.write(tmp_path_factory.mktemp("seeing") / "g4", "gemma4")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start servers that end with the test."""
    running: list[Serving] = []

    def start(model: Path, *flags: str, **options: Any) -> Serving:
        running.append(Serving(tmp_path / f"server-{len(running)}", model, *flags, **options))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture(scope="module")
def parroting(parrot: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of the parrot, with small bounds."""
    made = Serving(tmp_path_factory.mktemp("parroting") / "home", parrot, "--max-body", "1")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def looking(seeing: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of the model that sees."""
    made = Serving(tmp_path_factory.mktemp("looking") / "home", seeing)
    yield made
    made.stop()
