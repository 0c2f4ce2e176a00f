"""OpenAI's request for a chat completion → what it asks for.

What would silently be answered otherwise is refused; fields that nobody knows are ignored, as servers of this
API do.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gemcli.errors import UsageError
from gemcli.server.attachments import Attachments
from gemcli.server.conversation import Conversation, read
from gemcli.server.faults import bad
from gemcli.server.fields import Fields

if TYPE_CHECKING:
    from gemcli.structured.schema import Schema

_MOST_STOPS = 16
_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repeat_penalty": (1,),
    "logit_bias": ({},),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),
}
"""Fields that change the answer and are not known here, with the values that change nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for.

    Attributes:
        model: the name it gives; "" for none.
        conversation: what was said.
        stream: whether the answer is wanted as it comes.
        stream_usage: whether its last piece tells what it took.
        options: fields of `gemcli.request.Request`.
    """

    model: str
    conversation: Conversation
    stream: bool
    stream_usage: bool
    options: Mapping[str, Any]


def chat(request: Fields, *, may_fetch: bool, max_tokens: int | None) -> Asked:
    """The request of ``/v1/chat/completions``.

    Args:
        request: its body.
        may_fetch: whether images may be named by their addresses.
        max_tokens: tokens of one answer at most that the server gives.

    Raises:
        Fault: it is malformed, or asks for what is not done here.
    """
    options = sampled(request, max_tokens)
    options |= _format(request)
    if options.get("schema") and options["stop"]:
        raise bad("stop would cut JSON in the middle: it does not go with response_format", "stop")
    stream_options = request.object("stream_options")
    stream = request.flag("stream")
    return Asked(
        model=request.text("model") or "",
        conversation=read(request, Attachments(may_fetch=may_fetch)),
        stream=stream,
        stream_usage=stream_options is not None and stream_options.flag("include_usage"),
        options=options,
    )


def sampled(request: Fields, most: int | None) -> dict[str, Any]:
    """How the answer is to be chosen and how long it may be.

    Raises:
        Fault: it is malformed, or asks for what is not done here.
    """
    for name, values in _NEUTRAL.items():
        if request.has(name) and request.data[name] not in values:
            raise bad(f"{name} is not supported by this server", name, code="unsupported")
    if (request.integer("n", 1) or 1) != 1 or (request.integer("best_of", 1) or 1) != 1:
        raise bad("only one answer is given to a request: n must be 1", "n", code="unsupported")
    top = request.integer("top_logprobs", 0, 20)
    if top is not None and not request.flag("logprobs"):
        raise bad("top_logprobs goes with logprobs: true", "top_logprobs")
    asked = [request.integer(name, 1) for name in ("max_completion_tokens", "max_tokens")]
    wanted = next((each for each in asked if each is not None), None)
    temperature = request.number("temperature", 0, 100)
    top_p = request.number("top_p", 0, 1)
    seed = request.integer("seed", -(1 << 63), (1 << 64) - 1)
    if seed is None and temperature:
        seed = secrets.randbits(64)  # whoever asks twice wants two answers
    return {
        "max_tokens": wanted if most is None else min(most, wanted or most),
        "temperature": 0.0 if temperature is None else temperature,
        "top_p": 1.0 if top_p is None else max(top_p, 1e-9),
        "top_k": max(0, request.integer("top_k", -1) or 0),
        "min_p": request.number("min_p", 0, 1) or 0.0,
        "seed": (seed or 0) % (1 << 64),
        "stop": _stops(request),
        "logprobs": (top or 0) if request.flag("logprobs") else None,
    }


def _stops(request: Fields) -> tuple[str, ...]:
    given = request.data.get("stop")
    stops = [given] if isinstance(given, str) else request.items("stop")
    if not all(isinstance(each, str) and each for each in stops):
        raise bad("stop must be a text or a list of texts, none of them empty", "stop")
    if len(stops) > _MOST_STOPS:
        raise bad(f"stop holds more than {_MOST_STOPS} texts", "stop")
    return tuple(stops)


def _format(request: Fields) -> dict[str, Any]:
    """What shape the answer must have."""
    wanted = request.object("response_format")
    if wanted is None:
        return {}
    kind = wanted.choice("type", "text", "json_object", "json_schema")
    if kind == "json_object":
        return {"schema": schema_of({"type": "object"}, wanted.where)}
    if kind != "json_schema":
        return {}
    inner = wanted.object("json_schema")
    if inner is None or not inner.has("schema"):
        raise bad(f"{wanted.path('json_schema')}.schema is missing", wanted.path("json_schema"))
    return {"schema": schema_of(inner.data["schema"], inner.path("schema"))}


def schema_of(value: object, where: str) -> Schema:
    """A JSON Schema that came with a request, ready to hold an answer to it.

    Raises:
        Fault: it is none, or no answer can be held to it.
    """
    from gemcli.structured.schema import made

    try:
        return made(value, where)
    except UsageError as error:
        raise bad(error.message, where, code="invalid_schema") from None
