"""What a machine uses for which kind of layer: what is tried in turn, and what is sound; and what is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest
import tiny

from model.attention import choice, compiled, pallas
from model.attention.choice import choose
from model.attention.kinds import Choice, Kind, implementation_of, kinds
from model.load import describe, load
from model.native import enable
from model.nn import few
from model.nn.linear import few_rows
from model.sampling.sampler import Sampling

LAYERS = tiny.gemma().layers
GLOBAL, SLIDING = Kind(16, 2, None, None, few=True), Kind(16, 2, 8, None, few=True)
_attention, _product = pallas.attention, few.product
_TRIALS = choice.trial, few.trial


@pytest.fixture(autouse=True)
def tried_anew() -> Iterator[None]:
    """What one test found out is nothing to another."""
    for trial in _TRIALS:
        trial.cache_clear()
    yield
    for trial in _TRIALS:
        trial.cache_clear()


def raising(*given: Any, **options: Any) -> Any:
    raise RuntimeError("ptxas: out of registers\nand more")


def no_number(*given: Any, **options: Any) -> Any:
    return jnp.full_like(given[0], jnp.nan)


def one_key_too_many(queries: Any, *given: Any, **options: Any) -> Any:
    """A window that is wrong by one."""
    window = options["window"]
    return _attention(queries, *given, **options | {"window": window and window + 1})


def a_little_off(*given: Any, **options: Any) -> Any:
    return _attention(*given, **options) * 1.02


def test_a_processor_keeps_what_it_had() -> None:
    name = "blocked" if enable(compiled.KERNEL, None) else "compiled"
    assert choose(LAYERS, "cpu", 16) == (name, [])
    for backend in ("cpu", "gpu", "tpu"):
        assert choose(LAYERS, backend, 32, plain=True) == ("blocked", [])
    assert few_rows("cpu") == few_rows("tpu") == few_rows("gpu", plain=True) == (0, [])


def test_a_tpu_and_what_nobody_knows_have_the_librarys_own() -> None:
    assert choose(LAYERS, "tpu", 16) == choose(LAYERS, "rocm", 16) == ("blocked", [])


@pytest.mark.parametrize("bits", [16, 32])
def test_a_gpu_has_the_kernel_where_it_is_sound(bits: int) -> None:
    chosen, said = choose(LAYERS, "gpu", bits)
    assert isinstance(chosen, Choice)
    assert {name for _, name in chosen.chosen} == {"pallas"}
    assert [kind for kind, _ in chosen.chosen] == list(kinds(LAYERS))
    assert {SLIDING, GLOBAL} <= set(kinds(LAYERS))
    assert said == []


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (raising, "it does not run here: ptxas: out of registers"),
        (no_number, "its attention of 1 queries is no number"),
        (a_little_off, "its attention of 1 queries is off by"),
    ],
)
def test_a_kernel_that_is_not_sound_is_passed_over(
    broken: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pallas, "attention", broken)
    for kind in (GLOBAL, SLIDING):
        found = choice.trial("pallas", kind, 16)
        assert found is not None
        assert found.startswith(why)
        assert "\n" not in found


def test_what_is_sound_for_some_kinds_is_used_for_those(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pallas, "attention", one_key_too_many)
    chosen, said = choose(LAYERS, "gpu", 16)
    assert isinstance(chosen, Choice)
    for spec in map(tiny.attention_of, LAYERS):
        for queries in (1, 100):
            expected = "pallas" if spec.window is None else "blocked"
            assert implementation_of(chosen, spec, queries) == expected
    assert len(said) == 2, "few and many queries of sliding layers"
    assert all("layers sliding 8, head 16 cannot use the pallas kernel: its " in each for each in said)


def test_what_a_kernel_is_not_meant_for_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "trial", lambda *kind: pytest.fail("it was tried"))
    chosen, said = choose(tiny.llama().layers, "gpu", 16)
    assert isinstance(chosen, Choice)
    assert {name for _, name in chosen.chosen} == {"blocked"}, "heads of 8"
    assert said == []


def test_a_kind_that_was_not_foreseen_is_blocked() -> None:
    spec = tiny.attention_of(LAYERS[0])
    assert Choice(()).of(spec, 1) == "blocked"
    assert Choice(((Kind.of(spec, 1), "pallas"),)).of(spec, 8) == "pallas", "a guess that is checked"
    assert Choice(((Kind.of(spec, 1), "pallas"),)).of(spec, 9) == "blocked"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (raising, "it does not run here: ptxas: out of registers"),
        (lambda x, weight: jnp.full((x.shape[0], 48), jnp.nan), "its product of 1 rows with int8 is wrong"),
        (lambda x, weight: _product(x, weight) * (1 + 1e-3), "its product of 1 rows with int8 is wrong"),
    ],
)
def test_products_that_are_not_sound_are_widened(
    broken: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert few_rows("gpu") == (8, [])
    few.trial.cache_clear()
    monkeypatch.setattr(few, "product", broken)
    assert few_rows("gpu") == (0, [f"products of few rows cannot use their kernel: {why}"])


@pytest.fixture
def parrot(tmp_path: Path) -> Path:
    return tiny.write_parrot(tmp_path / "parrot.gguf", [tiny.START, *b"abc", tiny.END])


@pytest.mark.parametrize("broken", [None, raising])
def test_a_model_is_loaded_for_a_gpu(broken: Any, parrot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a processor that answers, with kernels that are interpreted; heads of 8 are none of theirs."""
    if broken:
        monkeypatch.setattr(pallas, "attention", broken)
        monkeypatch.setattr(few, "product", broken)
    monkeypatch.setattr(choice, "choose", lambda layers, backend, bits, plain: choose(layers, "gpu", bits))
    monkeypatch.setattr("model.nn.linear.few_rows", lambda backend, plain: few_rows("gpu"))
    warned: list[str] = []
    model = load(describe(parrot), precision="grouped", warn=warned.append)
    numerics = model.engine.decoder.numerics
    assert numerics.grouped_rows == (0 if broken else 8)
    assert "".join(model.stream([tiny.START], sampling=Sampling())) == "abc"
    if broken:
        (message,) = warned
        assert message.startswith("answers are slower than this machine could give them: ")
        assert "cannot use" in message
        assert "out of registers" in message
    else:
        assert warned == []
