"""Conversation to prompt: the model's own chat template, with what it may trust kept apart.

The template's text may spell control tokens; the contents of messages never may, whatever they contain.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from model.errors import TemplateError

if TYPE_CHECKING:
    from jinja2 import Template

    from model.tokenizer.sandbox import Sandbox

LONGEST_SOURCE = 1 << 20  # characters
_LONGEST_MESSAGE = 500  # characters
_ROLES = frozenset({"system", "developer", "user", "assistant", "model", "tool"})


def _short(error: Exception) -> str:
    """What a stranger's program says, no longer than a message may be."""
    said = str(error)
    return said if len(said) <= _LONGEST_MESSAGE else f"{said[:_LONGEST_MESSAGE]} …"


class ChatTemplate:
    """A chat template as Hugging Face renders it, in a sandbox with limits.

    Args:
        source: in Jinja, from the model's file; None for a base model, which has none: then a prompt is
            the contents of the messages, with a blank line between them.
        bos, eos: texts of the tokens, for templates that write them.
        thinking: the model is asked to think before it answers, where its template has a way to say so
            (`enable_thinking`, as in Gemma 4 and Qwen 3).
    """

    def __init__(self, source: str | None, *, bos: str, eos: str, thinking: bool = False) -> None:
        self.source = source
        self.thinking = thinking
        self._bos = bos
        self._eos = eos
        self._lock = threading.Lock()

    @property
    def can_think(self) -> bool:
        """Whether it makes a difference to this template that the model is to think."""
        return self.source is not None and "enable_thinking" in self.source

    def with_thinking(self, thinking: bool) -> ChatTemplate:
        """The same template, with the model asked to think or not."""
        return ChatTemplate(self.source, bos=self._bos, eos=self._eos, thinking=thinking)

    def spans(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[tuple[str, bool]]:
        """The prompt, as (text, trusted) for `Tokenizer.encode_spans`.

        Args:
            messages: each with "role" and "content", a text or a list of parts ({"type": "text", "text": …},
                {"type": "image"}, …), and what else the template knows ("reasoning_content", "tool_calls",
                "tool_responses").
            add_generation_prompt: end where the assistant's answer begins.
            tools: functions that the model may call, as JSON schemas; what they say is not trusted.

        Raises:
            TemplateError: the template refuses this conversation, is broken, or tries what it may not do.
        """
        if self.source is None:
            text = "\n\n".join(filter(None, map(_plain_text, messages)))
            return [(text, False)] if text else []
        from model.tokenizer import rope
        from model.tokenizer.sandbox_names import Refusal

        def known(role: str) -> str:
            return rope.trusted(role) if role in _ROLES else role

        given = _size([*messages, *(tools or ())])
        try:
            with self._lock:
                sandbox, template = self._compiled
                sandbox.begin(given)
                rendered = template.render(
                    messages=[{**message, "role": known(message["role"])} for message in messages],
                    add_generation_prompt=add_generation_prompt,
                    bos_token=rope.trusted(self._bos),
                    eos_token=rope.trusted(self._eos),
                    tools=list(tools) if tools else None,
                    documents=None,
                    enable_thinking=self.thinking,
                )
        except Refusal as refusal:
            raise TemplateError(
                f"the model's chat template refuses this conversation: {_short(refusal)}"
            ) from None
        except Exception as error:  # a stranger's program may raise anything
            raise TemplateError(
                f"the model's chat template cannot be used: {_short(error) or type(error).__name__}"
            ) from None
        return rope.merged(rendered)

    @cached_property
    def _compiled(self) -> tuple[Sandbox, Template]:
        from model.tokenizer.sandbox import Sandbox

        assert self.source is not None
        if len(self.source) > LONGEST_SOURCE:
            raise TemplateError(f"it is {len(self.source):,} characters long")
        sandbox = Sandbox()
        return sandbox, sandbox.from_string(self.source)


def _plain_text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _size(given: Any) -> int:
    """Characters in all texts of a value of JSON's types."""
    if isinstance(given, str):
        return len(given)
    if isinstance(given, Mapping):
        return sum(map(_size, given.keys())) + sum(map(_size, given.values()))
    return sum(map(_size, given)) if isinstance(given, list | tuple) else 0
