import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemcli.errors import InputError
from gemcli.ingest.walk import walk


def make(root, *names, text="x"):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found(root):
    return [path.relative_to(root).as_posix() for path in walk(root).files]


def git(root, *arguments):
    plain = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "PATH": os.environ["PATH"]}
    done = subprocess.run(["git", *arguments], cwd=root, env=plain, capture_output=True, check=True)
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def test_files_are_sorted_folder_by_folder(tmp_path):
    make(tmp_path, "b.txt", "a/z.txt", "a/b/c.txt", "c.txt", "Z.txt")
    assert found(tmp_path) == ["Z.txt", "a/b/c.txt", "a/z.txt", "b.txt", "c.txt"]


def test_hidden_files_and_folders_are_left_out(tmp_path):
    make(tmp_path, ".env", ".git/config", ".cache/x", "a/.hidden", "a/seen")
    assert found(tmp_path) == ["a/seen"]


def test_nested_ignore_files_and_negation(tmp_path):
    make(tmp_path, "a.log", "keep.log", "sub/b.log", "sub/c.log", "build/x.txt", "sub/build/y.txt", "r.txt")
    (tmp_path / ".gitignore").write_text("*.log\n!keep.log\nbuild/\n")
    (tmp_path / "sub" / ".gitignore").write_text("!b.log\r\n!build/\n")
    assert found(tmp_path) == ["keep.log", "r.txt", "sub/b.log", "sub/build/y.txt"]


def test_rules_of_the_repository_above_hold(tmp_path):
    make(tmp_path, "docs/a.txt", "docs/b.tmp", "docs/deep/c.bak")
    (tmp_path / ".git" / "info").mkdir(parents=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("*.bak\n")
    (tmp_path / ".gitignore").write_text("*.tmp\n")
    assert found(tmp_path / "docs") == ["a.txt"]


def test_rules_above_hold_only_inside_a_repository(tmp_path):
    make(tmp_path, "docs/b.tmp")
    (tmp_path / ".gitignore").write_text("*.tmp\n")
    assert found(tmp_path / "docs") == ["b.tmp"]


def test_an_ignored_folder_that_is_named_is_meant(tmp_path):
    make(tmp_path, "build/a.txt", "build/in/b.txt")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("build/\n")
    assert found(tmp_path / "build") == ["a.txt", "in/b.txt"]
    assert found(tmp_path) == []


def test_links_are_followed_only_to_files_inside(tmp_path):
    inside = tmp_path / "inside"
    make(tmp_path, "inside/a.txt", "inside/.store/v2.txt", "outside/secret.txt")
    (inside / "again.txt").symlink_to("a.txt")
    (inside / "latest.txt").symlink_to(".store/v2.txt")
    (inside / "leak.txt").symlink_to("../outside/secret.txt")
    (inside / "loop").symlink_to(".")
    (inside / "folder").symlink_to("../outside")
    (inside / "broken.txt").symlink_to("nowhere")
    walked = walk(inside)
    assert [path.name for path in walked.files] == ["a.txt", "latest.txt"]
    assert walked.outside == 3


def test_special_files_are_left_out(tmp_path):
    make(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "pipe")
    assert found(tmp_path) == ["a.txt"]


def test_names_that_are_no_utf8_are_found(tmp_path):
    name = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / name).write_text("x")
    assert found(tmp_path) == [name]


def test_a_folder_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    make(tmp_path, "a.txt", "closed/b.txt")
    scandir = os.scandir

    def refuse(path):
        if path == tmp_path / "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    walked = walk(tmp_path)
    assert [path.name for path in walked.files] == ["a.txt"]
    assert walked.closed == [tmp_path / "closed"]
    with pytest.raises(InputError, match="permission denied"):
        walk(tmp_path / "closed")


PATTERNS = r"""
*.a|!*.a|x/|/x|!/x/|x/*|!x/y|**/y|y/**|x/**/z.a|?.b|[xy].b|# c||\!z.a|z*|!z.b|*|!*/|y/x/| x|x |/*|!/y|**|a**
**.a|x/**.a|[!x].b|[^x-y].b|[x|[]x].b|[[:alpha:]].b|[[:no:]].b|[y-x].b|[x-].b|\x.b|x\|x/**/y/|**/x/**|/**/z.a
***|x/***/z.a|x//y|[z]*|[a/b]|?|!?|!x/**|x\ |!/**/z.a
"""
patterns = st.lists(st.sampled_from(PATTERNS.strip("\n").replace("\n", "|").split("|")), max_size=5)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(top=patterns, nested=patterns, deep=patterns)
def test_git_agrees(tmp_path_factory, top, nested, deep):
    root = tmp_path_factory.mktemp("tree")
    git(root, "init", "-q")
    make(
        root,
        *(
            f"{a}{b}"
            for a in ("", "x/", "y/", "x/y/", "y/x/", "x/y/x/")
            for b in ("x.b", "y.b", "z.a", "z.b")
        ),
    )
    for folder, lines in ((root, top), (root / "x", nested), (root / "x" / "y", deep)):
        (folder / ".gitignore").write_text("\n".join(lines) + "\n")
    listed = git(root, "ls-files", "-z", "--others", "--exclude-standard")
    assert sorted(found(root)) == sorted(name for name in listed if not name.endswith(".gitignore"))
