"""--private leaves no trace: no history, no cache, no temporary file, whatever is read."""

from __future__ import annotations

import shutil
import threading
import zipfile
from pathlib import Path

import pytest
import tiny

DATA = Path(__file__).parents[1] / "data"
ANSWER = "Yes, gold!"


@pytest.fixture(autouse=True)
def alone(cli):
    cli.alone = True


@pytest.fixture(scope="module")
def parrot(tmp_path_factory):
    """A sound GGUF file that answers every prompt with `ANSWER`."""
    return tiny.write_parrot(
        tmp_path_factory.mktemp("parrot") / "parrot.gguf", [tiny.START, *ANSWER.encode(), tiny.END]
    )


@pytest.fixture
def places(cli):
    """A home, a folder for temporary files and one of the user's, watched for what comes and goes."""
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        folder = cli.folder / name.lower()
        folder.mkdir()
        cli.environment[name] = str(folder)
    return cli.folder


def tree(folder):
    """Everything under a folder: names, sizes, times and bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        found[str(path.relative_to(folder))] = (
            path.read_bytes() if path.is_file() else None,
            stat.st_mtime_ns,
            stat.st_mode,
        )
    return found


class Watch:
    """Notices files that are there for some milliseconds."""

    def __init__(self, *folders):
        self._folders = folders
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.before = self._look()
        self.seen = set()

    def _look(self):
        return {path for folder in self._folders for path in folder.rglob("*")}

    def _run(self):
        while not self._stop.wait(0.002):
            self.seen |= self._look() - self.before

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.slow
def test_it_leaves_nothing(cli, places, parrot, warm):
    cli.file("a.md", "It is gold.\n")
    shutil.copy(DATA / "json-mapping.pdf", cli.folder / "b.pdf")
    shutil.copy(DATA / "receipt.png", cli.folder / "c.png")
    shutil.copy(DATA / "address.mp4", cli.folder / "d.mp4")
    with zipfile.ZipFile(cli.folder / "e.zip", "w") as archive:
        archive.writestr("inside.txt", "It is silver.\n" * 50)
    if warm:  # with something to use, and to be tempted to write to
        assert cli.real("Is it gold?", "a.md", "-m", str(parrot)).code == 0
    before = tree(places)
    assert bool([name for name in before if name.startswith("home/cache/compiled/")]) == warm
    with Watch(cli.home, places / "tmpdir", places / "xdg_cache_home") as watch:
        for files in (
            ["a.md"],
            ["b.pdf", "--pages", "1"],
            ["c.png"],
            ["d.mp4", "--no-audio"],
            ["e.zip", "--archive"],
        ):
            done = cli.real(
                "Is it gold?", *files, "--private", "-m", str(parrot), "--overflow", "head", "--offline"
            )
            assert (done.code, done.out) == (0, f"{ANSWER}\n"), done.err
        piped = cli.real("Is it gold?", "--private", "-m", str(parrot), stdin="It is gold.\n" * 9)
        assert piped.code == 0, piped.err
    assert watch.seen == set(), "not even for a moment"
    assert tree(places) == before


def test_without_it_there_are_traces(cli, places, parrot):
    cli.file("a.md", "It is gold.\n")
    before = tree(places)
    assert cli.real("Is it gold?", "a.md", "-m", str(parrot)).code == 0
    new = set(tree(places)) - set(before)
    assert "home/history/history.db" in new
    assert any(name.startswith("home/cache/compiled/") for name in new)
