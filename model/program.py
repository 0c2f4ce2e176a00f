"""Functions compiled for the shapes that they are called with, and kept as they are.

The array library keeps what it compiled, too, but to find it again it traces and lowers the function, which
takes two tenths of a second for the layers of a model, and who asks waits for several such programs.  Here a
program's name is made of what it depends on, so that the next start loads it and calls it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import jax
import numpy as np
from jax.core import Tracer
from jax.experimental import serialize_executable

from model import version
from model.cache import segment

_ENDING = ".program"
_AGE = 30 * 86_400.0  # seconds after which one that nobody loads may go
_SETTINGS = ("JAX_", "XLA_")  # what environment variables begin with that say how to compile

R = TypeVar("R")

_folder: Path | None = None
_writes = False


def keep_in(folder: Path | None, *, write: bool = True) -> None:
    """Say where programs are kept from now on.

    Args:
        folder: it holds executable code, so it must belong to the user alone.  None keeps none.
        write: False uses what is there, and writes nothing.
    """
    global _folder, _writes
    _folder, _writes = folder, write
    if folder is not None and write:
        _remove_old(folder)


class Program(Generic[R]):
    """A function that is compiled for the shapes and static arguments it is called with; see `program`."""

    def __init__(self, function: Callable[..., R], static: tuple[int, ...], donate: tuple[int, ...]) -> None:
        self._function = function
        self._static = static
        self._donate = donate
        self._jit = jax.jit(function, static_argnums=static, donate_argnums=donate)
        self._ready: dict[object, Callable[..., R] | None] = {}

    @property
    def count(self) -> int:
        """How many there are of it in this process."""
        return self._jit._cache_size() + len(self._ready)  # type: ignore[attr-defined]

    def shape(self, *args: Any) -> Any:
        """What it would return, as shapes."""
        return self._jit.eval_shape(*args)

    def __call__(self, *args: Any) -> R:
        """Call it; donated arguments are used up."""
        if _folder is None or jax.device_count() > 1:
            return self._jit(*args)
        called = tuple(each for place, each in enumerate(args) if place not in self._static)
        leaves, tree = jax.tree.flatten(called)
        if any(isinstance(leaf, Tracer) or not hasattr(leaf, "shape") for leaf in leaves):
            return self._jit(*args)
        fixed = tuple(args[place] for place in self._static)
        key = fixed, tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        try:  # looked up once: to hash a model's description takes a while
            ready = self._ready[key]
        except KeyError:
            name = self._name(key)
            path = _folder / f"{name}{_ENDING}"
            ready = _loaded(path, name, called) or (self._kept(path, name, args) if _writes else None)
            self._ready[key] = ready
        return ready(*called) if ready else self._jit(*args)

    def _kept(self, path: Path, name: str, args: tuple[Any, ...]) -> Callable[..., R]:
        """Make the program, and keep it where that can be done."""

        def function(*args: Any) -> R:
            return self._function(*args)

        # One that the array library has out of its own cache cannot be kept: so it must not know it by name,
        # and need not keep it either.
        function.__name__ = f"{self._function.__name__}_{secrets.token_hex(4)}"
        with _uncached():
            jitted = jax.jit(function, static_argnums=self._static, donate_argnums=self._donate)
            made = jitted.lower(*args).compile()
        with suppress(Exception):  # what cannot be kept is made again
            program, _, ends = serialize_executable.serialize(made)
            shape = pickle.dumps(jax.tree.unflatten(ends, range(ends.num_leaves)))
            parts = [np.frombuffer(part, np.uint8) for part in (program, shape)]
            segment.write(path, {"name": name}, parts)
        return made

    def _name(self, key: tuple[Any, ...]) -> str:
        """What has the same `repr` is the same."""
        settings = sorted((name, value) for name, value in os.environ.items() if name.startswith(_SETTINGS))
        fixed, tree, shapes = key
        about = (
            self._function.__module__,
            self._function.__qualname__,
            fixed,
            str(tree),
            shapes,
            version.code(),
            version.machine(),
            settings,
        )
        return hashlib.blake2b(repr(about).encode(), digest_size=16).hexdigest()


def program(
    *, static: tuple[int, ...] = (), donate: tuple[int, ...] = ()
) -> Callable[[Callable[..., R]], Program[R]]:
    """Have a function compiled.

    Args:
        static: places of arguments that it is compiled for; they are hashable, and `repr` tells them apart.
        donate: places of arguments that are used up.
    """
    return lambda function: Program(function, static, donate)


def _loaded(path: Path, name: str, called: tuple[Any, ...]) -> Callable[..., Any] | None:
    """A program that was kept, for arguments like these; None where there is none, or it is damaged."""
    with suppress(Exception):  # whatever is wrong with it, it can be made again
        program, shape = segment.read(path, name)
        ends = jax.tree.structure(pickle.loads(shape.tobytes()))
        begins = jax.tree.structure((called, {}))
        ready = serialize_executable.deserialize_and_load(program.tobytes(), begins, ends)
        if _writes and time.time() - path.stat().st_mtime > _AGE / 2:
            os.utime(path)
        return ready
    return None


_compiling = threading.Lock()


@contextmanager
def _uncached() -> Iterator[None]:
    """While this lasts the array library keeps nothing of what it compiles."""
    setting = "jax_persistent_cache_min_compile_time_secs"
    with _compiling:
        before = getattr(jax.config, setting)
        jax.config.update(setting, float("inf"))
        try:
            yield
        finally:
            jax.config.update(setting, before)


def _remove_old(folder: Path) -> None:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                mine = entry.name.endswith((_ENDING, _ENDING + segment.DRAFT))
                if mine and time.time() - entry.stat().st_mtime > _AGE:
                    Path(entry.path).unlink()
