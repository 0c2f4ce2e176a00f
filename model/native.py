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
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_FLAGS = ("-O3", "-march=native", "-std=c11", "-shared", "-fPIC")
_COMPILERS = ("cc", "gcc", "clang")
NO_COMPILER = f"there is no C compiler ({', '.join(_COMPILERS[:-1])} or {_COMPILERS[-1]})"
NOTHING_KEPT = "it was not compiled before, and nothing is to be written"
_HEADER = Path(__file__).with_name("native.h")
_SECONDS = 60  # for a compiler; it takes one or two
_RETRY = 86_400  # seconds until what failed is tried again: a full disk or a busy machine may have been why
_OLD_DRAFT = 3600  # seconds
_SEAL = 32  # bytes: the digest of a kept library, behind it, where loaders do not look

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
_trying = threading.Lock()  # a function is handed to the array library once in a process


def enable(kernel: Kernel, folder: Path | None, *, keep: bool = True) -> str | None:
    """Bring a kernel into this process; later calls only say how the first one ended.

    Args:
        kernel: which.
        folder: keeps what was compiled.  It holds executable code, so it must belong to the user alone.
            None: it is compiled for this process.
        keep: False uses what was compiled before, and compiles nothing: compilers write files.

    Returns:
        Why the kernel cannot be used here; None when it is in use.
    """
    with _trying:
        if kernel.source not in _state:
            try:
                _state[kernel.source] = _enable(kernel, folder, keep)
            except OSError as error:
                _state[kernel.source] = str(error)
        return _state[kernel.source]


def obstacle() -> str | None:
    """Why no kernel can be compiled on this machine; None when one would be tried."""
    import jax

    if jax.default_backend() != "cpu":
        return "it is for processors"
    if sys.platform not in ("linux", "darwin") or platform.machine().lower() not in ("x86_64", "amd64"):
        return f"it is not written for {platform.machine()} on {sys.platform}"
    return None if _compiler() else NO_COMPILER


def _enable(kernel: Kernel, folder: Path | None, keep: bool) -> str | None:
    if (why := obstacle()) is not None:
        return why
    with contextlib.ExitStack() as stack:
        if not keep and (folder is None or not folder.is_dir()):
            return NOTHING_KEPT
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if keep:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{kernel.source.stem}-{_identity(kernel)}"
        library, failure = folder / f"{name}.so", folder / f"{name}.failed"
        if _is_whole(library) and _load(library, kernel) is None:
            return None
        if (why := _remembered(failure)) is not None:
            return why
        if not keep:
            return NOTHING_KEPT
        _remove_old_drafts(folder)
        handle, draft = tempfile.mkstemp(dir=folder, prefix=name, suffix=".part")
        os.close(handle)
        stack.callback(Path(draft).unlink, missing_ok=True)
        why = _compile(kernel.source, Path(draft))
        if why is None:
            _seal(Path(draft))
            why = _load(Path(draft), kernel) or _checked(kernel)
        if why is None:
            Path(draft).replace(library)
        else:
            failure.write_text(why, encoding="utf-8")
        return why


def _seal(library: Path) -> None:
    digest = hashlib.sha256(library.read_bytes()).digest()
    with library.open("ab") as file:
        file.write(digest)


def _is_whole(library: Path) -> bool:
    """Whether a kept library is as it was written: to load one that a crash cut short ends the process."""
    try:
        data = library.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(data[:-_SEAL]).digest() == data[-_SEAL:]


def _remembered(failure: Path) -> str | None:
    """Why it failed lately; None where it did not."""
    try:
        if time.time() - failure.stat().st_mtime > _RETRY:
            return None
        return failure.read_text(encoding="utf-8", errors="replace") or None
    except OSError:
        return None


def _remove_old_drafts(folder: Path) -> None:
    """Drop what ended processes left; a draft that is being compiled is younger."""
    for draft in folder.glob("*.part"):
        with contextlib.suppress(OSError):
            if time.time() - draft.stat().st_mtime > _OLD_DRAFT:
                draft.unlink()


def _compile(source: Path, to: Path) -> str | None:
    import jax

    compiler = _compiler()
    assert compiler, "without one there is an obstacle"
    folders = [f"-I{folder}" for folder in (_HEADER.parent, jax.ffi.include_dir())]
    command = [*compiler, *_FLAGS, *folders, "-o", str(to), str(source), "-lm"]
    # In a group of its own: what it started ends with it, and an interrupt of ours is no error in the code.
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=os.environ | {"LC_ALL": "C"},
        start_new_session=True,
    ) as process:
        try:
            said = process.communicate(timeout=_SECONDS)[1].splitlines()
        except subprocess.TimeoutExpired:
            return f"{compiler[0]} took longer than {_SECONDS} s"
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        errors = [line for line in said if "error" in line]
        return f"{compiler[0]} refuses it: {(errors or said or ['no word why'])[0]}"
    return None


def _compiler() -> list[str] | None:
    try:
        asked = shlex.split(os.environ.get("CC", ""))
    except ValueError:  # a quote without its end: not the name of a compiler
        asked = []
    for words in (asked, *([name] for name in _COMPILERS)):
        if words and (found := shutil.which(words[0])):
            return [found, *words[1:]]
    return None


def _load(library: Path, kernel: Kernel) -> str | None:
    """Hand its functions to the array library; why that is impossible, or None."""
    import jax

    try:
        functions = ctypes.CDLL(str(library))
        found = [getattr(functions, name) for name in kernel.functions]
        for name, function in zip(kernel.functions, found, strict=True):
            jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(function), platform="cpu")
    except (OSError, AttributeError, RuntimeError, ValueError) as error:
        why = str(error).removeprefix(str(library)).removeprefix(": ")
        return f"it cannot be loaded: {why}"
    return None


def _checked(kernel: Kernel) -> str | None:
    try:
        return kernel.check()
    except (RuntimeError, ValueError) as error:  # a kernel's own errors, outside and inside of programs
        return f"it does not run on this processor: {str(error).splitlines()[0]}"


def _identity(kernel: Kernel) -> str:
    """Changes with the code, the compiler, the array library and the processor."""
    from jaxlib.version import __version__ as version

    about = [file.read_text(encoding="utf-8") for file in (kernel.source, _HEADER)]
    about += [*_FLAGS, version, processor()]
    about += _compiler() or []
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def processor() -> str:
    """What the processor can do, as the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return next((line for line in lines if line.startswith("flags")), platform.machine())
