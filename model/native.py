"""The compiled kernels: built once for a machine where there is a C compiler, and done without elsewhere.

A kernel is one C file beside its definition.  It is compiled for the very processor it runs on, checked
against its definition before it is first used, and kept in a folder that belongs to the user alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_FLAGS = ("-O3", "-march=native", "-std=c11", "-shared", "-fPIC")
_COMPILERS = ("cc", "gcc", "clang")
_HEADER = Path(__file__).with_name("native.h")
_SECONDS = 60  # for a compiler; it takes one or two

Check = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A C file and the functions in it that the array library calls.

    Attributes:
        source: the file.
        functions: their names, in C and for `jax.ffi.ffi_call`.
        check: computes with them; returns what is wrong, or None.
    """

    source: Path
    functions: Sequence[str]
    check: Check


_state: dict[Path, str | None] = {}  # for each source that was tried: why it is not in use, or None


def enable(kernel: Kernel, folder: Path | None) -> str | None:
    """Bring a kernel into this process; later calls only say how the first one ended.

    Args:
        kernel: which.
        folder: keeps what was compiled.  It holds executable code, so it must belong to the user alone.
            None: it is compiled for this process.

    Returns:
        Why the kernel cannot be used here; None when it is in use.
    """
    if kernel.source not in _state:
        try:
            _state[kernel.source] = _enable(kernel, folder)
        except OSError as error:
            _state[kernel.source] = str(error)
    return _state[kernel.source]


def _enable(kernel: Kernel, folder: Path | None) -> str | None:
    import jax

    if jax.default_backend() != "cpu":
        return "it is for processors"
    if sys.platform not in ("linux", "darwin") or platform.machine().lower() not in ("x86_64", "amd64"):
        return f"it is not written for {platform.machine()} on {sys.platform}"
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{kernel.source.stem}-{_identity(kernel)}"
        library, failure = folder / f"{name}.so", folder / f"{name}.failed"
        if library.exists():
            _register(library, kernel)
            return None
        if failure.exists():
            return failure.read_text(encoding="utf-8")
        handle, draft = tempfile.mkstemp(dir=folder, prefix=name, suffix=".part")
        os.close(handle)
        stack.callback(Path(draft).unlink, missing_ok=True)
        why = _compile(kernel.source, Path(draft))
        if why is None:
            _register(Path(draft), kernel)
            why = kernel.check()
        if why is None:
            Path(draft).replace(library)
        else:
            failure.write_text(why, encoding="utf-8")
        return why


def _compile(source: Path, to: Path) -> str | None:
    import jax

    compiler = _compiler()
    if compiler is None:
        return "there is no C compiler (cc, gcc or clang)"
    folders = [f"-I{folder}" for folder in (_HEADER.parent, jax.ffi.include_dir())]
    command = [*compiler, *_FLAGS, *folders, "-o", str(to), str(source), "-lm"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{compiler[0]} took longer than {_SECONDS} s"
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        return f"{compiler[0]} refuses it: {(errors or done.stderr.splitlines() or ['no word why'])[0]}"
    return None


def _compiler() -> list[str] | None:
    asked = shlex.split(os.environ.get("CC", ""))
    for words in (asked, *([name] for name in _COMPILERS)):
        if words and (found := shutil.which(words[0])):
            return [found, *words[1:]]
    return None


def _register(library: Path, kernel: Kernel) -> None:
    import jax

    functions = ctypes.CDLL(str(library))
    for name in kernel.functions:
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(getattr(functions, name)), platform="cpu")


def _identity(kernel: Kernel) -> str:
    """Changes with the code, the compiler, the array library and the processor."""
    from jaxlib.version import __version__ as version

    about = [file.read_text(encoding="utf-8") for file in (kernel.source, _HEADER)]
    about += [*_FLAGS, version, _processor()]
    about += _compiler() or ["none"]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def _processor() -> str:
    """What the processor can do, as the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return next((line for line in lines if line.startswith("flags")), platform.machine())
