"""Events of an answer → OpenAI's objects: the whole completion, or its pieces as they come.

What that API has no field for (what was read of the documents, warnings) stands in a field of our own,
``gemcli``, so that nothing is left out unsaid.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gemcli.ident import new_id

Logprobs = Sequence[Mapping[str, object]]
"""Tokens as `gemcli.events.Token` has them, which is OpenAI's way."""

_TOLD = ("id", "read", "citations", "warnings", "timings", "data")


class Replies:
    """The objects of one answer.

    Args:
        model: the name that the client knows the model by.
        fingerprint: what tells versions of the server apart.
    """

    def __init__(self, model: str, fingerprint: str) -> None:
        self._head = {
            "id": f"chatcmpl-{new_id()}",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": fingerprint,
        }

    def whole(
        self, result: Mapping[str, Any], thoughts: str = "", logprobs: Logprobs | None = None
    ) -> dict[str, Any]:
        """The completion, once it is finished.

        Args:
            result: the contract's answer object.
            thoughts: what the model thought before it answered.
            logprobs: of its tokens, where they are asked for.
        """
        message: dict[str, Any] = {"role": "assistant", "content": result["answer"], "refusal": None}
        if thoughts:
            message["reasoning_content"] = thoughts
        choice = {
            "index": 0,
            "message": message,
            "logprobs": _logprobs(logprobs),
            "finish_reason": result["finish_reason"],
        }
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": usage(result),
            "gemcli": told(result),
        }

    def begin(self) -> dict[str, Any]:
        """The first piece: who speaks."""
        return self._piece({"role": "assistant", "content": ""})

    def text(self, text: str, logprobs: Logprobs | None = None) -> dict[str, Any]:
        """A piece of the answer, with its tokens where they are asked for."""
        return self._piece({"content": text}, logprobs=logprobs)

    def thought(self, text: str) -> dict[str, Any]:
        """A piece of what the model thinks."""
        return self._piece({"reasoning_content": text})

    def end(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """The last piece of the answer: how it ended."""
        return {**self._piece({}, result["finish_reason"]), "gemcli": told(result)}

    def usage(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """The piece that tells what it took."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage(result)}

    def _piece(
        self, delta: dict[str, Any], finish: str | None = None, logprobs: Logprobs | None = None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": _logprobs(logprobs), "finish_reason": finish}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}


def _logprobs(tokens: Logprobs | None) -> dict[str, Any] | None:
    return None if tokens is None else {"content": list(tokens), "refusal": None}


def usage(result: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAI's ``usage`` of a finished answer."""
    known = result["usage"]
    return {
        "prompt_tokens": known["prompt_tokens"],
        "completion_tokens": known["completion_tokens"],
        "total_tokens": known["prompt_tokens"] + known["completion_tokens"],
        "prompt_tokens_details": {"cached_tokens": known["cached_tokens"]},
    }


def told(result: Mapping[str, Any]) -> dict[str, Any]:
    """What our own field tells of a finished answer."""
    return {name: result.get(name) for name in _TOLD}


def sent(value: Mapping[str, Any]) -> bytes:
    """An object as a server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
STILL_HERE = b": still working\n\n"
