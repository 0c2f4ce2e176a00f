"""Kernels are compiled once, checked before they are kept, and done without where they cannot be."""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model import native
from model.native import Kernel

ROOT = Path(__file__).parents[1]
SOURCE = """
#include "native.h"

/* Result: f32 [].  It needs no thought, so it compiles in no time. */
XLA_FFI_Error *NAME(XLA_FFI_CallFrame *frame) {
  if (described(frame)) return NULL;
  *(float *)result(frame, 0)->data = 42;
  return NULL;
}
"""
START = """
import sys
from pathlib import Path
from test_native import answer
from model import native
source, name, folder, wrong = sys.argv[1:]
why = native.enable(native.Kernel(Path(source), (name,), lambda: wrong or None), Path(folder))
print(why or answer(name))
"""
_numbers = itertools.count()


def answer(name: str) -> float:
    """What a kernel of `SOURCE` computes."""
    return float(np.asarray(jax.ffi.ffi_call(name, jax.ShapeDtypeStruct((), jnp.float32))()))


class Machine:
    """A small kernel, a folder for what is compiled, and a compiler whose calls are counted."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self.folder, self.calls = place, place / "compiled", place / "calls"
        self.monkeypatch = monkeypatch
        self.name = f"test_native_{next(_numbers)}"  # names are the array library's for the whole process
        self.wrong = ""
        self.source = place / "kernel.c"
        self.source.write_text(SOURCE.replace("NAME", self.name))
        monkeypatch.delenv("CC", raising=False)
        found = native._compiler()
        self.real = found[0] if found else None
        if self.real:
            self.use(f'exec {self.real} "$@"')

    def use(self, script: str) -> None:
        """Let this be what the compiler does."""
        compiler = self.place / "counted-cc"
        compiler.write_text(f"#!/bin/sh\necho called >> '{self.calls}'\n{script}\n")
        compiler.chmod(0o755)
        self.monkeypatch.setenv("CC", str(compiler))

    @property
    def kernel(self) -> Kernel:
        return Kernel(self.source, (self.name,), lambda: self.wrong or None)

    def enable(self, folder: Path | None = None) -> str | None:
        """As a process that tries for the first time."""
        self.monkeypatch.delitem(native._state, self.source, raising=False)
        return native.enable(self.kernel, folder or self.folder)

    def start(self) -> subprocess.Popen[str]:
        """A process that enables the kernel and prints why not, or what it computes."""
        return subprocess.Popen(
            [sys.executable, "-c", START, self.source, self.name, self.folder, self.wrong],
            env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self) -> str:
        """What such a process says."""
        return said(self.start())

    def compiled(self) -> int:
        """How often the compiler was called."""
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def kept(self) -> list[str]:
        """The kinds of files in the folder."""
        return sorted(each.suffix for each in self.folder.iterdir())

    def only(self, suffix: str) -> Path:
        """The one file of a kind."""
        (found,) = self.folder.glob(f"*{suffix}")
        return found


def said(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err or f"ended by signal {-process.returncode}"
    return out.strip()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that need not have a compiler."""
    if platform.machine().lower() not in ("x86_64", "amd64") and os.environ.get("CI") != "true":
        pytest.skip("kernels are not written for this processor")
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def machine(bare: Machine) -> Machine:
    """A machine with a compiler."""
    if bare.real is None and os.environ.get("CI") != "true":
        pytest.skip("there is no C compiler")
    assert bare.real, "there is no C compiler"
    return bare


def test_compiled_once_and_kept(machine: Machine) -> None:
    assert machine.run() == "42.0"
    assert machine.compiled() == 1
    assert machine.kept() == [".so"]
    assert machine.run() == "42.0"
    assert machine.compiled() == 1, "another process takes what is kept"


def test_the_folder_is_the_users_alone(machine: Machine) -> None:
    machine.folder = machine.place / "not" / "there" / "yet"
    assert machine.enable() is None
    assert stat.S_IMODE(machine.folder.stat().st_mode) == 0o700
    assert not stat.S_IMODE(machine.only(".so").stat().st_mode) & 0o022, "others may not write to it"
    assert answer(machine.name) == 42


def test_a_process_asks_once(machine: Machine) -> None:
    assert machine.enable() is None
    assert native.enable(machine.kernel, machine.folder) is None
    shutil.rmtree(machine.folder)
    assert native.enable(machine.kernel, None) is None, "it is in use, wherever it came from"
    assert machine.compiled() == 1


def test_threads_that_ask_at_once_get_one_kernel(machine: Machine) -> None:
    """Two answers of a server that begin together: a function can be handed over only once in a process."""
    assert machine.real
    machine.use(f'sleep 0.3; exec {machine.real} "$@"')
    with ThreadPoolExecutor(8) as threads:
        whys = list(threads.map(lambda _: native.enable(machine.kernel, machine.folder), range(8)))
    assert whys == [None] * 8
    assert machine.compiled() == 1
    assert answer(machine.name) == 42


def test_without_a_folder_nothing_is_left(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    passing = machine.place / "passing"
    passing.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(passing))
    assert native.enable(machine.kernel, None) is None
    assert answer(machine.name) == 42
    assert list(passing.iterdir()) == []


def test_another_source_or_processor_is_compiled_anew(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.run() == "42.0"
    machine.source.write_text(machine.source.read_text().replace("42", "43"))
    assert machine.run() == "43.0"
    assert machine.compiled() == 2
    monkeypatch.setattr(native, "processor", lambda: "flags: of another machine that shares this home")
    assert machine.enable() is None
    assert machine.compiled() == 3
    assert machine.kept() == [".so"] * 3


# --- compilers --------------------------------------------------------------------------------------------


def test_no_compiler(bare: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(bare.place))
        assert bare.enable() == native.NO_COMPILER == "there is no C compiler (cc, gcc or clang)"
    assert not bare.folder.exists(), "there is nothing to keep and nothing to remember"


def test_a_compiler_that_comes_later_is_used(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(machine.place))
        patch.delenv("CC")
        assert "no C compiler" in str(machine.enable())
    assert machine.enable() is None
    assert answer(machine.name) == 42


@pytest.mark.parametrize("asked", ["", "no-such-compiler -x", "'a quote without its end"])
def test_a_cc_that_is_none_leaves_the_usual_ones(machine: Machine, asked: str) -> None:
    machine.monkeypatch.setenv("CC", asked)
    assert machine.enable() is None


def test_a_cc_of_several_words(machine: Machine) -> None:
    machine.use('[ "$1" = --through ] && shift && exec "$@"')
    machine.monkeypatch.setenv("CC", f"{os.environ['CC']} --through {machine.real}")
    assert machine.enable() is None
    assert machine.compiled() == 1


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (
            "echo 'In file x:' >&2; echo 'x.c:1:2: error: no such thing' >&2; exit 1",
            "x.c:1:2: error: no such",
        ),
        ("echo 'cannot find -lm' >&2; echo 'at all' >&2; exit 1", "refuses it: cannot find -lm"),
        ("exit 3", "refuses it: no word why"),
        ("printf 'error: \\377\\376' >&2; exit 1", "refuses it: error: \ufffd\ufffd"),
        ("exit 0", "cannot be loaded"),  # and wrote nothing
        ("while [ $1 != -o ]; do shift; done; echo nonsense > $2", "cannot be loaded"),
    ],
)
def test_a_compiler_that_fails_is_not_asked_again(bare: Machine, script: str, why: str) -> None:
    bare.use(script)
    first = bare.enable()
    assert why in str(first)
    assert str(bare.folder) not in str(first)
    assert bare.kept() == [".failed"]
    assert bare.only(".failed").read_text() == first
    assert bare.enable() == first
    assert bare.compiled() == 1


def test_after_a_day_it_is_asked_again(machine: Machine) -> None:
    """What failed may have been the disk or the hour."""
    machine.use("exit 1")
    assert machine.enable()
    machine.use(f'exec {machine.real} "$@"')
    yesterday = time.time() - 86_500
    os.utime(machine.only(".failed"), (yesterday, yesterday))
    assert machine.enable() is None
    assert answer(machine.name) == 42


def test_a_reason_that_was_never_written_is_none(machine: Machine) -> None:
    """A crash may leave the file empty; an empty reason would count as success."""
    machine.use("exit 1")
    assert machine.enable()
    machine.only(".failed").write_text("")
    machine.use(f'exec {machine.real} "$@"')
    assert machine.enable() is None


def test_a_compiler_that_hangs_ends_with_all_it_started(
    bare: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "_SECONDS", 0.3)
    late = bare.place / "late"
    bare.use(f"(sleep 1; touch '{late}') & sleep 60")
    began = time.monotonic()
    assert str(bare.enable()).endswith("took longer than 0.3 s")
    assert time.monotonic() - began < 5
    assert bare.kept() == [".failed"]
    assert "took longer" in str(bare.enable())
    assert bare.compiled() == 1
    time.sleep(1.2)
    assert not late.exists()


def test_an_interrupt_does_not_reach_the_compiler_and_its_do_not_reach_us(bare: Machine) -> None:
    """What a terminal sends to a whole group must not become an error in the code that is remembered."""
    bare.use("kill -INT 0")
    assert "refuses it" in bare.run()


# --- what was compiled ------------------------------------------------------------------------------------


def test_a_kernel_that_computes_nonsense_is_not_kept(machine: Machine) -> None:
    machine.wrong = "its answer is wrong on this processor"
    assert machine.run() == machine.wrong
    assert machine.kept() == [".failed"]
    assert machine.run() == machine.wrong
    assert machine.compiled() == 1


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_a_kernel_that_ends_with_an_error_is_not_kept(machine: Machine, error: type[Exception]) -> None:
    def check() -> NoReturn:
        raise error("INTERNAL: out of luck\nwith details")

    why = native.enable(replace(machine.kernel, check=check), machine.folder)
    assert why == "it does not run on this processor: INTERNAL: out of luck"
    assert machine.kept() == [".failed"]


def test_a_function_that_is_not_there(machine: Machine) -> None:
    why = native.enable(replace(machine.kernel, functions=("no_such_function",)), machine.folder)
    assert "no_such_function" in str(why)
    assert machine.kept() == [".failed"]


def zeroed(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def foreign(data: bytes) -> bytes:
    """Whole, and no library: as from a machine of another kind."""
    return b"not ours" + hashlib.sha256(b"not ours").digest()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:1000],
        zeroed,
        foreign,
    ],
    ids=["empty", "cut short", "zeros", "foreign"],
)
def test_a_damaged_library_is_compiled_again(machine: Machine, damage: Callable[[bytes], bytes]) -> None:
    """Loaded as it is it would end this process and every later one."""
    assert machine.enable() is None
    library = machine.only(".so")
    data = library.read_bytes()
    library.unlink()  # this process has it mapped
    library.write_bytes(damage(data))
    assert machine.run() == "42.0"
    assert machine.compiled() == 2
    assert native._is_whole(machine.only(".so"))


def test_two_processes_at_once(machine: Machine) -> None:
    machine.use(f'sleep 0.5; exec {machine.real} "$@"')
    both = [machine.start() for _ in range(2)]
    assert [said(each) for each in both] == ["42.0", "42.0"]
    assert machine.kept() == [".so"]
    before = machine.compiled()
    assert machine.run() == "42.0"
    assert machine.compiled() == before


def test_what_ended_processes_left_is_removed(machine: Machine) -> None:
    machine.folder.mkdir(mode=0o700)
    old, young = machine.folder / "kernel-old.part", machine.folder / "kernel-young.part"
    for each in (old, young):
        each.write_bytes(b"")
    os.utime(old, (1, 1))
    assert machine.enable() is None
    assert not old.exists()
    assert young.exists(), "it may be another process's"


# --- folders and machines ---------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made(bare: Machine) -> None:
    bare.folder.write_text("a file in the way")
    assert str(bare.folder) in str(bare.enable())
    assert str(bare.folder) in str(bare.enable(bare.folder / "below"))


def test_a_folder_that_cannot_be_written(machine: Machine) -> None:
    if os.geteuid() == 0:
        pytest.skip("the administrator may write everywhere")
    machine.folder.mkdir(mode=0o500)
    assert "Permission denied" in str(machine.enable())


def test_a_full_disk(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", full)
        assert "No space left" in str(machine.enable())
        assert machine.kept() == []
    assert machine.enable() is None


def test_accelerators_and_other_processors_go_without(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "gpu")
        assert machine.enable() == "it is for processors"
    with monkeypatch.context() as patch:
        patch.setattr(platform, "machine", lambda: "arm64")
        assert machine.enable() == f"it is not written for arm64 on {sys.platform}"
    assert machine.compiled() == 0
    assert not machine.folder.exists()
