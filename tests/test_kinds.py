"""Every kind of file that the README names is really read, and its table is what came of that."""

from __future__ import annotations

from pathlib import Path

import kinds
import pytest

from gemcli.parts import Document

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    folder = tmp_path_factory.mktemp("kinds")
    return {kind.name: kinds.read(kinds.write(kind, folder)) for kind in kinds.KINDS}


def test_every_kind_gives_something(documents: dict[str, Document]) -> None:
    for name, document in documents.items():
        assert document.parts, name
        assert len(document.sha256) == 64, name


def test_the_readme_shows_what_came_of_it(documents: dict[str, Document]) -> None:
    made = kinds.table(documents)
    assert made in README.read_text("utf-8"), f"put this into README.md:\n{made}"
