"""OpenAI's ``messages`` → the conversation they are: an instruction, turns that are over, and a question.

Texts of one message are its question, files in it are its documents.  Whoever spoke twice is taken to have
spoken once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gemcli.ingest.source import Source
from gemcli.server.attachments import Attachments
from gemcli.server.faults import bad
from gemcli.server.fields import Fields

_ROLES = ("system", "developer", "user", "assistant")
_MOST_MESSAGES = 4096


@dataclass(slots=True)
class Said:
    """What a person said, and the answer to it, if it is over.

    Attributes:
        texts: pieces of what was said.
        sources: files that came with it.
        answers: pieces of the answer.
    """

    texts: list[str] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    @property
    def question(self) -> str:
        """All that was said."""
        return "\n".join(self.texts)

    @property
    def answer(self) -> str:
        """All that was answered."""
        return "\n".join(self.answers)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation.

    Attributes:
        system: the instruction; None for none.
        past: turns that are over.
        last: what is to be answered.
    """

    system: str | None
    past: tuple[Said, ...]
    last: Said


def read(request: Fields, attachments: Attachments) -> Conversation:
    """The conversation of a request.

    Raises:
        Fault: the messages are malformed, hold what is not taken here, or do not end with a question.
    """
    messages = list(request.objects("messages"))
    where = request.path("messages")
    if not messages:
        raise bad("messages is empty: there is nothing to answer", where)
    if len(messages) > _MOST_MESSAGES:
        raise bad(f"there are more than {_MOST_MESSAGES:,} messages", where)
    system: list[str] = []
    turns: list[Said] = []
    for message in messages:
        role = message.text("role")
        if role in ("tool", "function") or message.items("tool_calls") or message.has("function_call"):
            raise bad("this server calls no tools", message.where, code="unsupported")
        if role not in _ROLES:
            raise bad(f"{message.path('role')} must be one of {', '.join(_ROLES)}", message.path("role"))
        if role == "user":
            if not turns or turns[-1].answers:
                turns.append(Said())
            _take(message, turns[-1], attachments)
        elif role == "assistant":
            if not turns:
                turns.append(Said())
            turns[-1].answers += _texts(message)
            turns[-1].answers = turns[-1].answers or [""]
        else:
            system += _texts(message)
    if not turns or turns[-1].answers:
        raise bad(
            "the last message must be the user's: an answer begun by the client is not continued", where
        )
    *past, last = turns
    if not last.question.strip() and not last.sources:
        raise bad("the last message is empty", messages[-1].path("content"))
    return Conversation("\n\n".join(filter(None, system)) or None, tuple(past), last)


def _take(message: Fields, said: Said, attachments: Attachments) -> None:
    if isinstance(message.data.get("content"), str):
        said.texts.append(message.needed_text("content"))
        return
    for part in message.objects("content"):
        match part.text("type"):
            case "text" | "input_text":
                said.texts.append(part.needed_text("text"))
            case "image_url":
                said.sources.append(attachments.image(part))
            case "input_audio":
                said.sources.append(attachments.sound(part))
            case "file":
                said.sources.append(attachments.file(part))
            case other:
                what = part.path("type")
                raise bad(f"{what}: {other!r} is none of text, image_url, input_audio, file", what)


def _texts(message: Fields) -> list[str]:
    """The texts of a message that holds nothing else."""
    content = message.data.get("content")
    if content is None or isinstance(content, str):
        return [content] if content else []
    return list(_pieces(message))


def _pieces(message: Fields) -> Iterator[str]:
    for part in message.objects("content"):
        kind = part.text("type")
        if kind not in ("text", "output_text", "refusal"):
            raise bad(f"{part.path('type')}: only text is taken in this role", part.path("type"))
        yield part.needed_text("refusal" if kind == "refusal" else "text")
