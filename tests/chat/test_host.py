"""A conversation with another gemcli: it has the files, and what was said comes with every question."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import serving
import tiny


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that answers everything with the same words."""
    folder = tmp_path_factory.mktemp("there")
    chain = [tiny.START, *serving.ANSWER.encode(), tiny.END]
    running = serving.Serving(folder, tiny.write_parrot(folder / "parrot.gguf", chain))
    yield running
    running.stop()


@pytest.mark.parametrize("flags", [(), ("--private",)])
def test_what_was_said_and_shown_stays(server, place, flags):
    place.file("a.md", "It is gold.\n")
    words = [sys.executable, "-m", "gemcli", "chat", "a.md", "--host", server.url, "-o", "json", *flags]
    done = subprocess.run(
        words, input=b"What?\nSure?\n/files\n/undo\nWhy?\n/save t.json\n",
        cwd=place.folder, env=place.environment | {"GEMCLI_OFFLINE": ""}, capture_output=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert [each["answer"] for each in (first, second, third)] == [serving.ANSWER] * 3
    assert [each["source"] for each in first["plan"]["documents"]] == ["a.md"]
    assert second["plan"]["documents"] == third["plan"]["documents"] == []
    tokens = [each["usage"]["prompt_tokens"] for each in (first, second, third)]
    assert tokens[1] > tokens[0], "the document is still there"
    assert tokens[2] == tokens[1] - len("Sure?") + len("Why?")
    assert "1  a.md" in done.stderr.decode()
    turns = json.loads((place.folder / "t.json").read_text())["turns"]
    assert [(each["question"], each["documents"]) for each in turns] == [("What?", ["a.md"]), ("Why?", [])]
    assert os.path.exists(place.home / "history") == (not flags)  # noqa: PTH110 - a path
