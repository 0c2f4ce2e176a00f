"""Conversation to prompt: the model's own chat template, with what it may trust kept apart.

The template's text may spell control tokens; the contents of messages never may, whatever they contain.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from model.errors import TemplateError

if TYPE_CHECKING:
    from jinja2 import Template

    from model.tokenizer.sandbox import Sandbox

_LONGEST_SOURCE = 1 << 20
_ROLES = frozenset({"system", "developer", "user", "assistant", "model", "tool"})


class ChatTemplate:
    """A chat template as Hugging Face renders it, in a sandbox with limits.

    Args:
        source: in Jinja, from the model's file; None for a base model, which has none: then a prompt is
            the contents of the messages, with a blank line between them.
        bos, eos: texts of the tokens, for templates that write them.
    """

    def __init__(self, source: str | None, *, bos: str, eos: str) -> None:
        self.source = source
        self._bos = bos
        self._eos = eos
        self._lock = threading.Lock()

    def spans(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool = True
    ) -> list[tuple[str, bool]]:
        """The prompt, as (text, trusted) for `Tokenizer.encode_spans`.

        Args:
            messages: each with "role" and "content".
            add_generation_prompt: end where the assistant's answer begins.

        Raises:
            TemplateError: the template refuses this conversation, is broken, or tries what it may not do.
        """
        if self.source is None:
            text = "\n\n".join(message["content"] for message in messages if message["content"])
            return [(text, False)] if text else []
        from model.tokenizer import rope
        from model.tokenizer.sandbox_names import Refusal

        def known(role: str) -> str:
            return rope.trusted(role) if role in _ROLES else role

        given = sum(len(message["content"]) for message in messages)
        try:
            with self._lock:
                sandbox, template = self._compiled
                sandbox.begin(given)
                rendered = template.render(
                    messages=[{**message, "role": known(message["role"])} for message in messages],
                    add_generation_prompt=add_generation_prompt,
                    bos_token=rope.trusted(self._bos),
                    eos_token=rope.trusted(self._eos),
                    tools=None,
                    documents=None,
                )
        except Refusal as refusal:
            raise TemplateError(f"the model's chat template refuses this conversation: {refusal}") from None
        except Exception as error:  # a stranger's program may raise anything
            raise TemplateError(
                f"the model's chat template cannot be used: {error or type(error).__name__}"
            ) from None
        return rope.merged(rendered)

    @cached_property
    def _compiled(self) -> tuple[Sandbox, Template]:
        from model.tokenizer.sandbox import Sandbox

        assert self.source is not None
        if len(self.source) > _LONGEST_SOURCE:
            raise TemplateError(f"it is {len(self.source):,} characters long")
        sandbox = Sandbox()
        return sandbox, sandbox.from_string(self.source)
