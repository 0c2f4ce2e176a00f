"""From a file to a streamed answer: text, counts, reasons to end, and the room that there is."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import jax
import numpy as np
import pytest
import tiny

from model import native
from model.errors import ContextOverflowError, FormatError
from model.load import Generation, Model, describe, load
from model.nn import packed
from model.nn.packed import PackedArray
from model.nn.qarray import QArray
from model.sampling.sampler import Sampling

ROOT = Path(__file__).parents[1]
SAYING = "abc dé€🐝xyz"  # one to four bytes a character, every byte once
SAID = SAYING.encode()
PROMPT = [tiny.START]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Says `SAYING` after START."""
    folder = tmp_path_factory.mktemp("parrot")
    return tiny.write_parrot(folder / "parrot.gguf", [tiny.START, *SAID, tiny.END])


@pytest.fixture(scope="module")
def parrot(path: Path) -> Model:
    return load(describe(path))


def stream(model: Model, ids: Sequence[int] = PROMPT, **options: Any) -> Generation:
    return model.stream(ids, **({"sampling": Sampling()} | options))


def test_the_answer(parrot: Model) -> None:
    answer = stream(parrot)
    assert answer.finish_reason is None
    pieces = list(answer)
    assert "".join(pieces) == SAYING
    assert len(pieces) == len(SAYING), "every character as soon as it is whole, and no empty piece"
    assert answer.finish_reason == "stop"
    assert (answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens) == (1, 0, len(SAID))


def test_the_clock(parrot: Model) -> None:
    answer = stream(parrot)
    assert answer.timings == {}
    next(answer)
    assert set(answer.timings) == {"prefill_s", "first_token_s"}
    list(answer)
    times = answer.timings
    assert set(times) == {"prefill_s", "first_token_s", "decode_tokens_per_s"}
    assert 0 < times["prefill_s"] <= times["first_token_s"]
    assert 0 < times["decode_tokens_per_s"] < math.inf


@pytest.mark.parametrize(
    ("most", "text"), [(1, "a"), (4, "abc "), (6, "abc d\ufffd"), (7, "abc dé"), (9, "abc dé\ufffd")]
)
def test_a_limit_in_the_middle_of_a_character_hides_nothing(parrot: Model, most: int, text: str) -> None:
    answer = stream(parrot, max_tokens=most)
    assert "".join(answer) == text
    assert answer.finish_reason == "length"
    assert answer.completion_tokens == most


def test_a_limit_just_before_the_end_and_at_it(parrot: Model) -> None:
    before = stream(parrot, max_tokens=len(SAID))
    assert "".join(before) == SAYING
    assert before.finish_reason == "length"
    at = stream(parrot, max_tokens=len(SAID) + 1)
    assert "".join(at) == SAYING
    assert at.finish_reason == "stop"
    assert at.completion_tokens == len(SAID)


def test_an_answer_that_ends_at_once_is_empty(parrot: Model) -> None:
    answer = stream(parrot, [SAID[-1]])
    assert list(answer) == []
    assert answer.finish_reason == "stop"
    assert answer.completion_tokens == 0
    assert "decode_tokens_per_s" not in answer.timings


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        (["c d"], "ab"),  # three tokens
        (["a"], ""),
        (["é€"], "abc d"),  # five tokens, two characters
        (["🐝"], "abc dé€"),
        (["z"], "abc dé€🐝xy"),
        (["nothing", "xy"], "abc dé€🐝"),
        (["bc", "abc d"], "a"),  # the first to be complete
    ],
    ids=str,
)
def test_stops_across_tokens(parrot: Model, stop: list[str], text: str) -> None:
    answer = stream(parrot, stop=stop)
    assert "".join(answer) == text
    assert answer.finish_reason == "stop"


@pytest.mark.parametrize("stop", ["zz", "yz!", "cd", "A", SAYING + "!"])
def test_what_only_might_have_been_a_stop_is_said(parrot: Model, stop: str) -> None:
    answer = stream(parrot, stop=[stop])
    assert "".join(answer) == SAYING
    assert answer.finish_reason == "stop"


def test_a_possible_stop_at_the_limit_is_said(parrot: Model) -> None:
    answer = stream(parrot, stop=["cd"], max_tokens=3)
    assert "".join(answer) == "abc"
    assert answer.finish_reason == "length"


def test_an_empty_stop_is_refused(parrot: Model) -> None:
    with pytest.raises(ValueError, match="empty"):
        list(stream(parrot, stop=[""]))


def test_a_first_token_may_have_to_be_surer_than_it_is(parrot: Model) -> None:
    assert "".join(stream(parrot)) == SAYING
    assert not "".join(stream(parrot, reluctant={SAID[0]: 1.1})).startswith(SAYING[0])
    assert "".join(stream(parrot, reluctant={SAID[1]: 1.1})) == SAYING


def test_progress_is_of_the_prompt(parrot: Model) -> None:
    seen: list[tuple[int, int]] = []
    answer = stream(parrot, [*b"the ", tiny.START], progress=lambda done, total: seen.append((done, total)))
    assert not seen, "nothing is computed before a piece is asked for"
    next(answer)
    assert seen == [(5, 5)]


def test_the_window(path: Path) -> None:
    small = load(describe(path), context=10)
    assert small.window == 10
    answer = stream(small, [1] * 5 + PROMPT)
    assert "".join(answer) == SAYING[:4]
    assert answer.finish_reason == "length"
    assert "".join(stream(small, [1] * 8 + PROMPT)) == SAYING[:1]
    for ids, most, needed in (
        ([1] * 10, None, 11),
        ([1] * 50, None, 51),
        ([1] * 8, 3, 11),
        ([1] * 50, 5, 55),
    ):
        with pytest.raises(ContextOverflowError) as caught:
            stream(small, ids, max_tokens=most)
        assert (caught.value.needed, caught.value.window) == (needed, 10)


def test_leaving_early(parrot: Model) -> None:
    answer = stream(parrot)
    assert next(answer) == "a"
    answer.close()
    assert list(answer) == []
    assert answer.finish_reason is None
    never_begun = stream(parrot)
    never_begun.close()
    assert list(never_begun) == []
    assert "".join(stream(parrot)) == SAYING


def test_seeds(parrot: Model) -> None:
    def text(seed: int) -> str:
        return "".join(stream(parrot, sampling=Sampling(temperature=30.0, seed=seed), max_tokens=40))

    assert text(7) == text(7)
    assert len({text(seed) for seed in (1, 2, -3, 2**63 + 5)}) == 4


@pytest.mark.parametrize("name", ["llama", "qwen", "gemma"])
def test_a_file_computes_what_its_weights_say(tmp_path: Path, name: str) -> None:
    """The whole way: metadata, names, reordering, layers, against the definition on the same weights."""
    changes = {"vocab": tiny.PARROT_VOCAB}
    config = {
        "llama": tiny.llama(adjacent_pairs=True, **changes),
        "qwen": tiny.qwen(**changes),
        "gemma": tiny.gemma(7, **changes),
    }[name]
    params = tiny.random_params(config)
    file = tiny.write_gguf(
        tmp_path / "m.gguf", tiny.metadata_of(config) | tiny.byte_tokenizer(), tiny.tensors_of(config, params)
    )
    ids = tiny.random_ids(30)
    want = tiny.dense(config, params, ids)
    exact = load(describe(file), precision="float32").engine.score(ids)
    np.testing.assert_allclose(exact, want, atol=1e-4)
    if name == "qwen":  # the fast path, read and then mapped
        fast, again = (load(describe(file), copies=tmp_path / "copies").engine.score(ids) for _ in range(2))
        assert np.abs(fast - want).mean() < 0.002
        np.testing.assert_array_equal(again, fast)


def matrices(model: Model) -> set[type]:
    """How a model's matrices are stored."""
    found = jax.tree.leaves(model.engine.params, is_leaf=lambda part: isinstance(part, (QArray, PackedArray)))
    return {type(part) for part in found if isinstance(part, (QArray, PackedArray))}


def test_with_the_kernel_weights_stay_in_the_files_bits(parrot: Model) -> None:
    tiny.needs_kernel(packed.KERNEL)
    assert matrices(parrot) == {PackedArray}


def test_without_the_kernel_the_array_library_multiplies(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "enable", lambda kernel, folder: "there is no C compiler")
    model = load(describe(path))
    assert matrices(model) == {QArray}
    assert "".join(stream(model)) == SAYING


def test_what_is_asked_for_is_loaded_whatever_is_fastest(path: Path) -> None:
    model = load(describe(path), precision="quantized")
    assert matrices(model) == {QArray}
    assert "".join(stream(model)) == SAYING
    assert matrices(load(describe(path), precision="float32")) == set()


@pytest.mark.parametrize("name", ["llama", "qwen"])
@pytest.mark.parametrize("kind", ["Q8_0", "Q5_1", "Q4_0"])
def test_packed_weights_compute_what_the_files_weights_say(tmp_path: Path, name: str, kind: str) -> None:
    tiny.needs_kernel(packed.KERNEL)
    config = {
        "llama": tiny.llama(adjacent_pairs=True, vocab=tiny.PARROT_VOCAB),
        "qwen": tiny.qwen(vocab=tiny.PARROT_VOCAB),
    }[name]
    file = tiny.write_gguf(
        tmp_path / "m.gguf",
        tiny.metadata_of(config) | tiny.byte_tokenizer(),
        tiny.tensors_of(config, tiny.random_params(config)),
        gguf.GGMLQuantizationType[kind],
    )
    ids = tiny.random_ids(30)
    want = load(describe(file), precision="float32").engine.score(ids)
    first, mapped = (load(describe(file), precision="packed", copies=tmp_path / "copies") for _ in range(2))
    assert matrices(first) == matrices(mapped) == {PackedArray}
    got = first.engine.score(ids)
    assert np.abs(got - want).mean() < 0.002 * np.abs(want).std()
    np.testing.assert_array_equal(mapped.engine.score(ids), got)


def test_preparing_compiles_for_the_next_start(path: Path, tmp_path: Path) -> None:
    """A process that is told a folder keeps the kernels there, and loads as fast as they can compute."""
    tiny.needs_kernel(packed.KERNEL)
    code = """
import sys
from pathlib import Path
from model.load import describe, load, prepare
prepare(Path(sys.argv[1]), "cpu")
print(type(load(describe(Path(sys.argv[2]))).engine.params.embed).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "compiled", path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "PackedArray\n", done.stderr
    (library,) = (tmp_path / "compiled").glob("packed-*.so")
    assert library.stat().st_size


def test_a_model_without_a_tensor_is_refused(tmp_path: Path) -> None:
    config = tiny.qwen(vocab=tiny.PARROT_VOCAB)
    tensors = tiny.tensors_of(config, tiny.random_params(config))
    del tensors["blk.1.ffn_up.weight"]
    file = tiny.write_gguf(tmp_path / "m.gguf", tiny.metadata_of(config) | tiny.byte_tokenizer(), tensors)
    card = describe(file)
    with pytest.raises(FormatError, match=r"missing: blk\.1\.ffn_up\.weight"):
        load(card)


def test_progress_of_loading(path: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    card = describe(path)
    for _ in range(2):
        load(card, copies=tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (card.parameters, card.parameters)
    assert seen.count(seen[-1]) == 1, "a kept copy is mapped and reports nothing"


def test_a_suppressed_token_is_never_generated(parrot: Model) -> None:
    def said(suppress: set[int]) -> list[int]:
        return list(parrot.engine.generate(PROMPT, sampling=Sampling(), limit=4, suppress=suppress))

    assert said(set()) == list(SAID[:4])
    assert SAID[0] not in said({SAID[0]})
    assert said({SAID[2]})[:2] == list(SAID[:2])
    assert SAID[2] not in said({SAID[2]})


def test_a_gguf_may_have_any_name(tmp_path):
    written = tiny.write_parrot(tmp_path / "parrot.gguf", [tiny.START, *b"abc", tiny.END])
    blob = written.rename(tmp_path / "sha256-abc")
    model = load(describe(blob))
    assert "".join(model.stream([tiny.START], sampling=Sampling())) == "abc"
