"""What every test stands on: a home of its own, and real weights where it asks for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import compiled  # noqa: F401  its folder is there before tests are distributed
import pytest
from material import MATERIAL, MaterialError
from material import material as real_file

from gemcli import settings

# Read before any test changes the environment: pulled models outlive a test run.
_MODELS = settings.models_dir()

_MOST_MAPS = 12_000


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for gemcli, so that no test sees or touches the person's own."""
    for name in [name for name in os.environ if name.startswith(("GEMCLI_", "XDG_"))]:
        monkeypatch.delenv(name)
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("GEMCLI_HOME", str(place))
    return place


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Compile in haste, before any fixture does: that is most of the time of a tiny model.

    As it is shipped it is tried by long tests, by tests with real weights, and wherever a process is started.
    """
    jax = sys.modules.get("jax")
    if jax is not None:
        long = any(item.get_closest_marker(name) for name in ("slow", "weights"))
        jax.config.update("jax_disable_most_optimizations", not long)


@pytest.fixture(autouse=True)
def compiled_anew() -> Iterator[None]:
    """A folder of compiled programs is for the test that named it: later ones would write all of theirs."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None and jax.config.jax_compilation_cache_dir is not None:
        from jax.experimental.compilation_cache import compilation_cache

        jax.config.update("jax_compilation_cache_dir", None)
        compilation_cache.reset_cache()


@pytest.fixture(autouse=True, scope="module")
def few_programs() -> Iterator[None]:
    """Let go of compiled programs: each takes some of the 65,530 maps that Linux gives a process."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None and _maps() > _MOST_MAPS:
        jax.clear_caches()


def _maps() -> int:
    try:
        with Path("/proc/self/maps").open("rb") as maps:
            return sum(1 for _ in maps)
    except OSError:  # not on this system
        return 0


@pytest.fixture(scope="session")
def weights() -> Callable[[str], Path]:
    """Path of a catalogue model's real file, pulled into the person's own store when it is missing.

    With ``CI=true`` a model that cannot be had fails the test; elsewhere it skips it.
    """
    from gemcli.errors import GemcliError
    from gemcli.hub import catalog
    from gemcli.hub.pull import pull

    def get(name: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GEMCLI_MODELS", str(_MODELS))
            try:
                return pull(catalog.find(name), on_event=lambda event: None)
            except GemcliError as error:
                if os.environ.get("CI") == "true":
                    raise
                pytest.skip(f"{name} cannot be had: {error.message}")

    return get


@pytest.fixture(scope="session")
def material() -> Callable[[str], Path]:
    """Path of a real file out of a published package, by its name in `material.MATERIAL`; never written to.

    With ``CI=true`` a file that cannot be had fails the test; elsewhere it skips it, and so does one out of a
    Debian package everywhere: not every machine has an apt.
    """

    def get(name: str) -> Path:
        try:
            return real_file(name)
        except MaterialError as error:
            if os.environ.get("CI") == "true" and MATERIAL[name].archive.file:
                raise
            pytest.skip(f"{name} cannot be had: {error}")

    return get
