"""``logprobs`` of a real server, to the real ``openai`` client."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from serving import ANSWER, Serving

QUESTION = [{"role": "user", "content": "Is it gold?"}]


def ask(serving: Serving, **options: Any) -> Any:
    asked = {"model": "parrot", "messages": QUESTION, "logprobs": True} | options
    return serving.openai().chat.completions.create(**asked)


def content(found: Any) -> list[tuple[str, list[int], float, list[tuple[str, float]]]]:
    return [
        (each.token, each.bytes, each.logprob, [(top.token, top.logprob) for top in each.top_logprobs])
        for each in found.content
    ]


def test_of_a_whole_answer(parroting: Serving) -> None:
    choice = ask(parroting, top_logprobs=4).choices[0]
    assert choice.message.content == ANSWER
    found = content(choice.logprobs)
    assert [token for token, *_ in found] == list(ANSWER)
    assert bytes(byte for _, some, _, _ in found for byte in some) == ANSWER.encode()
    for token, _, logprob, top in found:
        assert len(top) == 4
        assert top[0] == (token, logprob), "it says what is likeliest"
        assert sum(math.exp(value) for _, value in top) <= 1.0
        assert top == sorted(top, key=lambda each: -each[1])
    assert {len(top) for *_, top in content(ask(parroting).choices[0].logprobs)} == {0}
    assert {len(top) for *_, top in content(ask(parroting, top_logprobs=20).choices[0].logprobs)} == {20}


def test_of_a_stream(parroting: Serving) -> None:
    whole = content(ask(parroting, top_logprobs=2).choices[0].logprobs)
    pieces = [each.choices[0] for each in ask(parroting, top_logprobs=2, stream=True)]
    said = [each for each in pieces if each.delta.content]
    for each in said:
        assert "".join(token for token, *_ in content(each.logprobs)) == each.delta.content
    assert [token for each in said for token in content(each.logprobs)] == whole
    assert all(each.logprobs is None for each in pieces if not each.delta.content)


def test_only_for_those_who_ask(parroting: Serving) -> None:
    def one(number: int) -> tuple[str, bool]:
        choice = ask(parroting, logprobs=number % 2 == 0).choices[0]
        return choice.message.content, choice.logprobs is not None

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(one, range(4))) == [(ANSWER, number % 2 == 0) for number in range(4)]


def test_of_an_answer_by_a_schema(parroting: Serving) -> None:
    shape = {"type": "object", "properties": {"gold": {"const": True}}, "required": ["gold"]}
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "it", "schema": shape | {"additionalProperties": False}},
    }
    choice = ask(parroting, response_format=wanted, max_tokens=100).choices[0]
    assert "".join(token for token, *_ in content(choice.logprobs)) == choice.message.content
    assert min(logprob for _, _, logprob, _ in content(choice.logprobs)) < -1.0, (
        "it would have said something else"
    )


def test_a_drawn_token_need_not_be_the_likeliest(parroting: Serving) -> None:
    choice = ask(parroting, top_logprobs=1, temperature=5, seed=3, max_tokens=20).choices[0]
    found = content(choice.logprobs)
    assert any(token != top[0][0] and logprob < top[0][1] for token, _, logprob, top in found)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"logprobs": False, "top_logprobs": 3}, "top_logprobs"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": -1}, "top_logprobs"),
        ({"logprobs": 3}, "logprobs"),
    ],
)
def test_what_cannot_be_told_is_refused(parroting: Serving, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(parroting, **changes)
    assert caught.value.param == param
