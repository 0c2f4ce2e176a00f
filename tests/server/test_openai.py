"""The real ``openai`` client at a real server."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import jsonschema
import openai
import PIL.Image
import pydantic
import pytest
from serving import ANSWER, Serving

DATA = Path(__file__).parents[1] / "data"
ASK = [sys.executable, "-m", "gemcli", "ask"]
QUESTION = [{"role": "user", "content": "Is it gold?"}]


def test_a_whole_answer(parroting: Serving) -> None:
    made = parroting.openai().chat.completions.create(model="parrot", messages=QUESTION)
    assert made.choices[0].message.content == ANSWER
    assert made.choices[0].finish_reason == "stop"
    assert made.usage.completion_tokens == len(ANSWER)
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens
    assert made.usage.prompt_tokens_details.cached_tokens is not None
    assert made.model == "parrot"
    assert made.gemcli["read"]["overflow"] == "none"


def test_a_stream(parroting: Serving) -> None:
    stream = parroting.openai().chat.completions.create(
        model="default", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    *pieces, last = list(stream)
    assert "".join(each.choices[0].delta.content or "" for each in pieces) == ANSWER
    assert len([each for each in pieces if each.choices[0].delta.content]) > 1, "it comes in pieces"
    assert pieces[0].choices[0].delta.role == "assistant"
    assert [each.choices[0].finish_reason for each in pieces if each.choices[0].finish_reason] == ["stop"]
    assert last.choices == []
    assert last.usage.completion_tokens == len(ANSWER)
    assert len({each.id for each in pieces}) == 1


def test_an_answer_ends_where_it_is_told_to(parroting: Serving) -> None:
    create = parroting.openai().chat.completions.create
    stopped = create(model="parrot", messages=QUESTION, stop=["old"]).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == ("Yes, g", "stop")
    for name in ("max_tokens", "max_completion_tokens"):
        cut = create(model="parrot", messages=QUESTION, **{name: 3}).choices[0]
        assert (cut.message.content, cut.finish_reason) == ("Yes", "length")


def test_models(parroting: Serving) -> None:
    client = parroting.openai()
    assert [each.id for each in client.models.list()] == ["parrot"]
    assert client.models.retrieve("parrot").id == "parrot"
    for ask in (
        lambda: client.models.retrieve("gpt-9"),
        lambda: client.chat.completions.create(model="gpt-9", messages=QUESTION),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            ask()
        assert caught.value.code == "model_not_found"
        assert "parrot" in caught.value.message


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"logit_bias": {"5": 10}}, "logit_bias"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": [""]}, "stop"),
        ({"messages": []}, "messages"),
    ],
)
def test_what_would_change_the_answer_is_refused(
    parroting: Serving, changes: dict[str, Any], param: str
) -> None:
    asked: dict[str, Any] = {"model": "parrot", "messages": QUESTION} | changes
    with pytest.raises(openai.BadRequestError) as caught:
        parroting.openai().chat.completions.create(**asked)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


def test_what_changes_nothing_is_taken(parroting: Serving) -> None:
    said = {"role": "assistant", "content": "Yes.", "tool_calls": [], "refusal": None}
    made = parroting.openai().chat.completions.create(
        model="parrot",
        messages=[*QUESTION, said, *QUESTION],
        n=1,
        tools=[],
        frequency_penalty=0,
        logit_bias={},
        user="me",
        store=False,
        metadata={"a": "b"},
        extra_body={"something_new": {"x": 1}, "cache_prompt": True},
    )
    assert made.choices[0].message.content == ANSWER


def test_a_conversation_is_that_of_the_command_line(parroting: Serving, parrot: Path, tmp_path: Path) -> None:
    """An instruction, turns with files of their own, and a question."""
    client = parroting.openai()
    part = {"type": "file", "file": {"filename": "a.md", "file_data": _base64(b"It is gold.\n")}}
    made = client.chat.completions.create(
        model="parrot",
        messages=[
            {"role": "developer", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "Is it gold?"}, part]},
            {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]},
            {"role": "user", "content": "Sure?"},
        ],
    )
    assert made.choices[0].message.content == ANSWER
    without = client.chat.completions.create(
        model="parrot",
        messages=[
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Is it gold?"},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "Sure?"},
        ],
    )
    assert made.usage.prompt_tokens > without.usage.prompt_tokens + len("It is gold.")


def test_the_same_as_on_the_command_line(looking: Serving, seeing: Path, tmp_path: Path) -> None:
    """A picture and a PDF, greedy: the very answer of ``gemcli ask``, from random weights."""
    (tmp_path / "a.png").write_bytes(_png())
    (tmp_path / "b.pdf").write_bytes((DATA / "json-mapping.pdf").read_bytes())
    local = subprocess.run(
        [*ASK, "-m", str(seeing), "--max-tokens", "24", "--json", "What is it?", "a.png", "b.pdf"],
        cwd=tmp_path,
        env=looking.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=True,
    )
    expected = json.loads(local.stdout)
    stream = looking.openai().chat.completions.create(
        model="g4",
        max_tokens=24,
        stream=True,
        stream_options={"include_usage": True},
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "file", "file": {"filename": "a.png", "file_data": _base64(_png())}},
                    {
                        "type": "file",
                        "file": {
                            "filename": "b.pdf",
                            "file_data": "data:application/pdf;base64,"
                            + _base64((DATA / "json-mapping.pdf").read_bytes()),
                        },
                    },
                ],
            }
        ],
    )
    pieces = list(stream)
    said = "".join(each.choices[0].delta.content or "" for each in pieces if each.choices)
    assert said == expected["answer"]
    assert pieces[-1].usage.prompt_tokens == expected["usage"]["prompt_tokens"]


def test_pictures_and_sounds_have_names_of_their_own(looking: Serving) -> None:
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_base64(_png())}"}}
    sound = {
        "type": "input_audio",
        "input_audio": {"data": _base64((DATA / "address.ogg").read_bytes()), "format": "ogg"},
    }
    create = looking.openai().chat.completions.create
    plain = create(model="g4", max_tokens=2, messages=[{"role": "user", "content": "What?"}])
    one = create(model="g4", max_tokens=2, messages=[{"role": "user", "content": [_text("What?"), url]}])
    both = create(
        model="g4", max_tokens=2, messages=[{"role": "user", "content": [_text("What?"), url, url, sound]}]
    )
    tokens = [each.usage.prompt_tokens for each in (plain, one, both)]
    assert tokens[0] + 50 < tokens[1] < tokens[2]


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _png() -> bytes:
    picture = PIL.Image.linear_gradient("L").resize((96, 64)).convert("RGB")
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


SHAPE = {
    "type": "object",
    "properties": {
        "color": {"enum": ["red", "green"]},
        "count": {"type": "integer", "minimum": 0, "maximum": 9},
        "words": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
    },
    "required": ["color", "count", "words"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_of_a_given_shape(looking: Serving, stream: bool) -> None:
    """From random weights, which by themselves say nothing of the kind."""
    made = looking.openai().chat.completions.create(
        model="g4",
        messages=QUESTION,
        max_tokens=200,
        stream=stream,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "x", "strict": True, "schema": SHAPE},
        },
    )
    if stream:
        text = "".join(each.choices[0].delta.content or "" for each in made)
    else:
        text = made.choices[0].message.content
        assert made.gemcli["data"] == json.loads(text)
    jsonschema.validate(json.loads(text), SHAPE)


def test_a_typed_answer(looking: Serving) -> None:
    """`parse` of the client, which sends the schema of a class."""

    class Found(pydantic.BaseModel):
        gold: bool
        grade: Literal["A", "B"]

    made = looking.openai().chat.completions.parse(
        model="g4", messages=QUESTION, max_tokens=100, response_format=Found
    )
    assert isinstance(made.choices[0].message.parsed, Found)


def test_any_object(looking: Serving) -> None:
    made = looking.openai().chat.completions.create(
        model="g4", messages=QUESTION, max_tokens=60, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(made.choices[0].message.content), dict)
