"""A conversation goes on from where the last sequence leaves the new prompt."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import tiny

from model.decoder.decoder import Decoder
from model.engine import session as session_of
from model.engine.engine import Engine
from model.engine.session import Session
from model.nn.linear import Numerics
from model.prompt import Soft
from model.sampling.sampler import Sampling

DOCUMENT = tiny.random_ids(300)
ASKED = [*DOCUMENT, *tiny.random_ids(9, 1)]
NEXT = tiny.random_ids(7, 2)


@pytest.fixture(autouse=True)
def every_token_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_of, "_WORTH", 1)


@pytest.fixture(scope="module", params=["full", "rings"])
def engine(request: pytest.FixtureRequest) -> Engine:
    config = (
        tiny.gemma2(2) if request.param == "rings" else replace(tiny.llama(), layers=tiny.llama().layers[:1])
    )
    params = tiny.random_params(config)
    return Engine(Decoder(config, Numerics(integer_rows=0)), params, window=2048, cache_bits=32)


def say(
    engine: Engine, ids: list[int], session: Session | None, *, limit: int = 6, **options: object
) -> tuple[list[int], int]:
    """What is answered, and how much of the prompt was there."""
    there: list[int] = []
    said = engine.generate(
        ids,
        sampling=Sampling(),
        limit=limit,
        marks=[300],
        session=session,
        restored=there.append,
        **options,  # pyright: ignore
    )
    return list(said), there[0]


def test_the_next_turn_reads_what_is_new(engine: Engine) -> None:
    session = Session()
    said, there = say(engine, ASKED, session)
    assert there == 0
    assert said == say(engine, ASKED, None)[0]
    assert session.tokens == len(ASKED) + len(said) - 1
    then = [*ASKED, *said, *NEXT]
    again, there = say(engine, then, session)
    assert there == len(ASKED) + len(said) - 1
    assert again == say(engine, then, None)[0]


def test_another_question_goes_back_to_the_mark(engine: Engine) -> None:
    session = Session()
    say(engine, ASKED, session)
    other = [*DOCUMENT, *tiny.random_ids(12, 4)]
    said, there = say(engine, other, session)
    assert there == 300
    assert said == say(engine, other, None)[0]


def test_an_answer_that_is_written_otherwise_goes_back_to_its_prompt(engine: Engine) -> None:
    session = Session()
    said, _ = say(engine, ASKED, session)
    other = [*ASKED, (said[0] + 1) % tiny.VOCAB, *NEXT]
    again, there = say(engine, other, session)
    assert there == len(ASKED)
    assert again == say(engine, other, None)[0]


def test_what_was_left_in_the_middle_stays(engine: Engine) -> None:
    session = Session()
    answer = engine.generate(ASKED, sampling=Sampling(), limit=40, session=session)
    heard = list(islice(answer, 3))
    answer.close()
    assert session.tokens >= len(ASKED) + 2
    then = [*ASKED, *heard, *NEXT]
    assert say(engine, then, session)[0] == say(engine, then, None)[0]


def test_an_interrupted_prompt_stays_as_far_as_it_came(engine: Engine) -> None:
    class Gone(BaseException):
        pass

    def stop(done: int, total: int) -> None:
        raise Gone

    session = Session()
    with pytest.raises(Gone):
        say(engine, ASKED, session, progress=stop)
    assert session.tokens == 300 - 300 % 256 or session.tokens == 300
    said, there = say(engine, ASKED, session)
    assert there > 0
    assert said == say(engine, ASKED, None)[0]


def test_few_tokens_are_no_reason_to_leave_the_chunks(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On its own chunks a prompt computes what it would without a session, bit by bit."""
    monkeypatch.setattr(session_of, "_WORTH", 64)
    session = Session()
    said, _ = say(engine, ASKED, session)
    assert say(engine, [*ASKED, *said, *NEXT], session)[1] == 300


def test_something_else_begins_anew(engine: Engine) -> None:
    session = Session()
    say(engine, ASKED, session)
    other = tiny.random_ids(40, 9)
    said, there = say(engine, other, session)
    assert there == 0
    assert said == say(engine, other, None)[0]
    session.forget()
    assert session.tokens == 0


def test_another_picture_is_another_prompt(engine: Engine) -> None:
    def soft(value: float) -> tuple[Soft, ...]:
        rows = np.full((20, engine.decoder.config.width), value, np.float32)
        return (Soft(280, rows, True),)

    session = Session()
    say(engine, ASKED, session, soft=soft(1.0))
    said, there = say(engine, ASKED, session, soft=soft(2.0))
    assert there <= 280
    assert said == say(engine, ASKED, None, soft=soft(2.0))[0]
