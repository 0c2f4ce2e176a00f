"""The files of a directory that a person would mean: sorted, without hidden and ignored ones.

Git's own rules decide what is ignored: the ``.gitignore`` of every folder on the way, those above up to
the repository's root, and ``.git/info/exclude``; the deepest file that speaks of a path decides.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from gemcli.ingest.gitignore import GitIgnore
from gemcli.ingest.source import shown, unreadable


@dataclass(slots=True)
class Walked:
    """What a directory holds.

    Attributes:
        files: regular files in the order of their names, folder by folder.
        outside: links that lead out of the directory or to a folder, and so were not followed.
        closed: folders that may not be read.
        opened: folders that were read.
    """

    files: list[Path] = field(default_factory=list)
    outside: int = 0
    closed: list[Path] = field(default_factory=list)
    opened: int = 0


def walk(directory: Path) -> Walked:
    """Find the files below `directory`.

    A link to a file is followed when the file lies inside and is not found by its own name.

    Raises:
        InputError: the directory itself cannot be read.
    """
    found = Walked()
    links: list[Path] = []
    real = directory.resolve()
    _descend(directory, real, _Rules.above(real), found, links)
    if links:
        _follow(real, links, found)
    return found


def _descend(folder: Path, real: Path, rules: _Rules, found: Walked, links: list[Path]) -> None:
    """Go through `folder`, which is `real` when links are resolved."""
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        if found.opened == 0:
            raise unreadable(shown(str(folder)), error) from error
        found.closed.append(folder)
        return
    found.opened += 1
    rules = rules.within(real)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if rules.ignore(real / entry.name, is_folder):
            continue
        if is_folder:
            _descend(path, real / entry.name, rules, found, links)
        elif entry.is_symlink():
            links.append(path)
            found.files.append(path)
        elif entry.is_file(follow_symlinks=False):
            found.files.append(path)


def _follow(inside: Path, links: list[Path], found: Walked) -> None:
    """Drop the links that lead outside, to folders, to nothing, or to a file that is there already."""
    seen = {path.resolve() for path in set(found.files).difference(links)}
    for link in links:
        target = Path(os.path.realpath(link))
        try:
            mode = target.stat().st_mode
        except OSError:
            mode = 0
        if stat.S_ISREG(mode) and target.is_relative_to(inside) and target not in seen:
            seen.add(target)
            continue
        found.files.remove(link)
        if mode and target not in seen:
            found.outside += 1


class _Rules:
    """The ignore files that hold in one folder, the deepest last; all paths are resolved."""

    def __init__(self, ignores: tuple[tuple[Path, GitIgnore], ...] = ()) -> None:
        self._ignores = ignores

    @classmethod
    def above(cls, directory: Path) -> _Rules:
        """The rules of the repository in which `directory` lies; none where they would ignore it itself.

        A directory that is named although it is ignored is meant.
        """
        above = (directory, *directory.parents)
        repository = next((each for each in above if os.path.lexists(each / ".git")), None)
        if repository is None:
            return cls()
        rules = cls().with_file(repository, repository / ".git" / "info" / "exclude")
        folder = repository
        for name in directory.relative_to(repository).parts:
            rules = rules.within(folder)
            folder = folder / name
            if rules.ignore(folder, True):
                return cls()
        return rules

    def within(self, folder: Path) -> _Rules:
        """These rules and those of `folder`'s own ``.gitignore``."""
        return self.with_file(folder, folder / ".gitignore")

    def with_file(self, folder: Path, file: Path) -> _Rules:
        """These rules and those of `file`, which speaks of the paths below `folder`."""
        try:
            lines = os.fsdecode(file.read_bytes()).split("\n")
        except OSError:
            return self
        ignore = GitIgnore(line.removesuffix("\r") for line in lines)
        return _Rules((*self._ignores, (folder, ignore)))

    def ignore(self, path: Path, is_folder: bool) -> bool:
        """Whether `path`, whose folder is not ignored, is."""
        for folder, ignore in reversed(self._ignores):
            verdict = ignore.verdict(path.relative_to(folder).as_posix(), is_folder)
            if verdict is not None:
                return verdict
        return False
