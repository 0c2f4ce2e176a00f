"""The tokens of an answer with how likely each was: exactly those that its text is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import tiny
import vocabularies
from scipy.special import log_softmax

from gemcli.logprobs import told
from model.load import Model, describe, load
from model.sampling.likely import Likely
from model.sampling.sampler import Sampling
from model.tokenizer.load import tokenizer_from_gguf
from model.tokenizer.shared import VocabularyTokenizer
from model.tokenizer.template import ChatTemplate
from model.weighed import Weighed

SAYING = "abc dé€🐝xyz"  # one to four bytes a character, every byte once
SAID = SAYING.encode()
PROMPT = [tiny.START]


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Says `SAYING` after START, a byte a token."""
    path = tmp_path_factory.mktemp("parrot") / "parrot.gguf"
    return load(describe(tiny.write_parrot(path, [tiny.START, *SAID, tiny.END])))


def pieces(model: Model, top: int, **options: Any) -> list[tuple[str, list[Weighed]]]:
    """Each piece of an answer with its tokens."""
    generation = model.stream(PROMPT, top=top, **({"sampling": Sampling()} | options))
    return [(text, generation.weighed) for text in generation]


def tokens(found: Sequence[tuple[str, list[Weighed]]]) -> list[Weighed]:
    return [each for _, weighed in found for each in weighed]


def test_every_piece_comes_with_its_own_tokens(parrot: Model) -> None:
    found = pieces(parrot, 3)
    assert "".join(text for text, _ in found) == SAYING
    assert [b"".join(each.spelled for each in weighed).decode() for _, weighed in found] == list(SAYING)
    scores = log_softmax(parrot.engine.score([*PROMPT, *SAID])[:-1].astype(np.float64), axis=-1)
    assert len(tokens(found)) == len(SAID)
    for each, id, row in zip(tokens(found), SAID, scores, strict=False):
        assert each.logprob == pytest.approx(row[id], abs=1e-2)
        assert len(each.top) == 3
        assert each.top[0] == (each.spelled, each.logprob)
        assert [value for _, value in each.top] == pytest.approx(np.sort(row)[::-1][:3], abs=1e-2)


def test_nothing_is_told_unasked(parrot: Model) -> None:
    generation = parrot.stream(PROMPT, sampling=Sampling())
    assert [(text, generation.weighed) for text in generation] == [(each, []) for each in SAYING]
    assert {each.top for each in tokens(pieces(parrot, 0))} == {()}


@pytest.mark.parametrize(("stop", "text"), [("c d", "ab"), ("é", "abc d"), ("cx", SAYING)])
def test_what_a_stop_string_cuts_off_has_no_tokens(parrot: Model, stop: str, text: str) -> None:
    found = pieces(parrot, 1, stop=[stop])
    assert "".join(piece for piece, _ in found) == text
    assert b"".join(each.spelled for each in tokens(found)) == text.encode()


def test_half_a_character_at_the_end_keeps_its_bytes(parrot: Model) -> None:
    found = pieces(parrot, 1, max_tokens=len("abc dé".encode()) + 1)
    assert found[-1][0] == "�"
    assert b"".join(each.spelled for each in tokens(found)) == SAID[: len("abc dé".encode()) + 1]


class Scripted:
    """An engine that says these tokens, each half as likely as the one before."""

    window = 1000

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = ids

    def generate(
        self, prompt: Sequence[int], *, limit: int, weigh: Callable[[Likely], None], **_: Any
    ) -> Iterator[int]:
        for number, id in enumerate(self.ids[:limit]):
            weigh(Likely(id, -float(number), ((id, -float(number)), (self.ids[0], -100.0))))
        yield from self.ids[:limit]


@pytest.fixture(scope="module")
def gemma4() -> VocabularyTokenizer:
    return tokenizer_from_gguf(vocabularies.gemma4_metadata())


@pytest.mark.parametrize(
    "generated",
    [
        "<|channel>thought\nLet me see.\n<channel|>Hello, wörld.<turn|>",
        "<|channel>thought\n<channel|>\n\nHello, wörld.<turn|>",
        "Hello,<|channel>thought\nHm.<channel|> wörld.<turn|>",
        "Hello, wörld.<turn|>",
    ],
)
def test_thoughts_have_no_tokens(gemma4: VocabularyTokenizer, generated: str) -> None:
    engine = Scripted(gemma4.encode_spans([(generated, True)]))
    card = SimpleNamespace(tokenizer=gemma4, template=ChatTemplate(None, bos="", eos=""))
    model = Model(cast(Any, card), cast(Any, engine), cast(Any, None))
    found = pieces(model, 2)
    said = "".join(text for text, _ in found)
    assert said.replace(", ", ",") == "Hello,wörld."
    assert b"".join(each.spelled for each in tokens(found)).decode() == said
    values = [each.logprob for each in tokens(found)]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)


def test_as_json() -> None:
    half = Weighed("é".encode()[:1], -0.5, (("é".encode()[:1], -0.5), (b"e", -float("inf"))))
    assert told([half]) == (
        {
            "token": "�",
            "logprob": -0.5,
            "bytes": [0xC3],
            "top_logprobs": [
                {"token": "�", "logprob": -0.5, "bytes": [0xC3]},
                {"token": "e", "logprob": -9999.0, "bytes": [0x65]},
            ],
        },
    )
