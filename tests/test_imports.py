"""Imports run one way, start-up stays light, and files stay one idea long."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("gemcli", "model")
    for path in sorted((ROOT / package).rglob("*.py"))
}
HEAVY = {
    "jax", "jaxlib", "numpy", "av", "pypdfium2", "tokenizers", "sentencepiece", "huggingface_hub", "jinja2",
    "rich", "PIL", "soundfile",
}  # fmt: skip


EXECUTE = "from gemcli.main import execute; from gemcli.commands.session import Session"


def imports(module: str, path: Path) -> set[str]:
    """Modules of ours that a module imports when it is itself imported; typing-only imports do not count."""
    found: set[str] = set()
    pending = list(ast.parse(path.read_text("utf-8")).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return {each for each in found if each in FILES}


def test_there_is_no_cycle():
    # A package's own file may hand on names of the modules below it; those do not need the package.
    graph = {
        module: {each for each in imports(module, path) if not module.startswith(f"{each}.")}
        for module, path in FILES.items()
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))
    assert set(order) == set(FILES)


def test_a_cycle_would_be_found(tmp_path):
    (tmp_path / "a.py").write_text(
        "class A:\n    try:\n        from gemcli import main\n    finally:\n        pass\n"
    )
    (tmp_path / "b.py").write_text("def f():\n    from gemcli import main\n")
    (tmp_path / "c.py").write_text(
        "if TYPE_CHECKING:\n    import gemcli.main\nelse:\n    import gemcli.errors\n"
    )
    assert imports("gemcli.a", tmp_path / "a.py") == {"gemcli", "gemcli.main"}
    assert imports("gemcli.b", tmp_path / "b.py") == set()
    assert imports("gemcli.c", tmp_path / "c.py") == {"gemcli.errors"}


def test_the_engine_room_never_looks_up():
    for module, path in FILES.items():
        if module.split(".")[0] == "model":
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not any(name.split(".")[0] == "gemcli" for name in names), f"{module} imports gemcli"


def test_the_front_imports_the_engine_only_inside_functions():
    for module, path in FILES.items():
        if module.split(".")[0] == "gemcli":
            assert not {each for each in imports(module, path) if each.split(".")[0] == "model"}, module


def loaded(code: str) -> set[str]:
    """The top-level modules that are there after some code ran in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import gemcli.main",
        "from gemcli.commands.tree import command_tree; command_tree()",
        f"{EXECUTE}\ntry: execute(['--help'], Session())\nexcept RuntimeError: pass",
        f"{EXECUTE}\ntry: execute(['ask', '--help'], Session())\nexcept RuntimeError: pass",
        "import gemcli.assistant, gemcli.request",
    ],
)
def test_nothing_heavy_is_loaded_to_know_what_is_wanted(code):
    assert loaded(code) & HEAVY == set()


def test_a_server_is_asked_without_what_would_answer_here():
    code = "import gemcli.assistant, gemcli.client.daemon, gemcli.client.remote, gemcli.ui"
    assert loaded(code) & {"model", "jinja2", "pydantic", "numpy"} == set()


def test_a_model_is_described_without_arrays():
    assert loaded("import model.load") & {"jax", "jaxlib"} == set()


def test_files_stay_one_idea_long():
    """Over 300 lines is a question (the report), over 400 an answer."""
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in FILES.values()
    }
    for name, length in lengths.items():
        if length > 300:
            print(f"{name} has {length} lines: one idea?")
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_every_module_states_its_idea():
    for module, path in FILES.items():
        tree = ast.parse(path.read_text("utf-8"))
        assert not tree.body or ast.get_docstring(tree), f"{module} has no docstring"
