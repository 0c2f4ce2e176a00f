"""The words that begin with a slash: what they are, what they do, and what is said of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gemcli.chat.conversation import Conversation
from gemcli.errors import GemcliError, UsageError
from gemcli.plural import counted


@dataclass(frozen=True, slots=True)
class Word:
    """A command of the chat.

    Attributes:
        takes: what follows it, as it is shown.
        help: one sentence.
        run: does it, given what follows; returns what is to be said.
    """

    takes: str
    help: str
    run: Callable[[Conversation, str], str]


class Leave(Exception):
    """The person wants to leave."""


class Again(Exception):
    """The last question is to be asked again.

    Args:
        question: it.
    """

    def __init__(self, question: str) -> None:
        super().__init__(question)
        self.question = question


class Copy(Exception):
    """A text is to go to the clipboard.

    Args:
        text: it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def run(conversation: Conversation, line: str) -> str:
    """Do what a line that begins with a slash says; returns what is to be said.

    Raises:
        GemcliError, ModelError: it cannot be done.
        Leave, Again, Copy: what only the screen can do.
    """
    name, _, rest = line[1:].strip().partition(" ")
    word = WORDS.get(name) or WORDS.get(_ALIASES.get(name, ""))
    if word is None:
        near = ", ".join(f"/{each}" for each in WORDS if name and each.startswith(name))
        raise UsageError(f"there is no /{name}", f"Did you mean {near}?" if near else "/help lists them.")
    return word.run(conversation, rest.strip())


def _add(conversation: Conversation, rest: str) -> str:
    from gemcli.ingest.locate import locate

    try:
        files = shlex.split(rest)
    except ValueError as error:
        raise UsageError(f"/add {rest}: {str(error).lower()}", "Quote names with spaces.") from None
    if not files:
        raise UsageError("/add needs a file", "/add report.pdf#page=3-9")
    found = 0
    for each in files:
        found += len(locate(each).sources)  # what is not there is said now, not with the next question
    conversation.add(files)
    return f"{counted(found, 'document')} will be shown with the next question"


def _drop(conversation: Conversation, rest: str) -> str:
    if not rest:
        raise UsageError("/drop needs the number or the name of a document", "/files lists them.")
    return f"{conversation.drop(rest)} is forgotten"


def _files(conversation: Conversation, _: str) -> str:
    found = conversation.documents()
    if not found:
        return "there are no documents; /add FILE shows one"
    return "\n".join(
        f"{number:>3}  {name}  {'not read yet' if tokens is None else f'{tokens:,} tokens'}"
        for number, (name, tokens) in enumerate(found, 1)
    )


def _plan(conversation: Conversation, _: str) -> str:
    found = conversation.plan()
    sent, window = found["prompt_tokens"] or found["total_tokens"], found["window"]
    lines = [f"{sent:,} of {window:,} tokens of {found['model']} are taken ({sent / window:.0%})"]
    if not found["fits"]:
        lines.append("not everything fits: the passages that matter are chosen for each question")
    lines += [f"{each['tokens']:>9,}  {each['source']}" for each in found["documents"]]
    return "\n".join(lines)


def _model(conversation: Conversation, rest: str) -> str:
    if not rest:
        from gemcli.hub.default import default_name

        return f"the model is {conversation.base.model or default_name()[0]}"
    from gemcli.hub.resolve import resolve

    resolve(rest, offline=True, on_event=lambda event: None, may_pull=False)
    conversation.change(model=rest)
    return f"{rest} answers from now on"


def _system(conversation: Conversation, rest: str) -> str:
    conversation.change(system=rest or None)
    return "the instruction is changed" if rest else "the instruction is the default again"


def _save(conversation: Conversation, rest: str) -> str:
    if not rest:
        raise UsageError("/save needs the name of a file", "/save talk.md")
    path = Path(rest).expanduser()
    if path.exists():
        raise UsageError(f"{rest} is there already", "Give another name.")
    try:
        conversation.save(path)
    except OSError as error:
        raise GemcliError(f"cannot write {rest}: {error.strerror or error}") from error
    return f"{counted(len(conversation.said), 'turn')} saved in {rest}"


def _retry(conversation: Conversation, _: str) -> str:
    question = conversation.undo()
    if question is None:
        raise UsageError("nothing was asked yet")
    raise Again(question)


def _undo(conversation: Conversation, _: str) -> str:
    question = conversation.undo()
    if question is None:
        raise UsageError("there is nothing to take back")
    return f"taken back: {question.splitlines()[0][:60] if question.strip() else 'a question'}"


def _copy(conversation: Conversation, _: str) -> str:
    if not conversation.said:
        raise UsageError("there is no answer to copy")
    raise Copy(conversation.said[-1].turn.answer)


def _clear(conversation: Conversation, _: str) -> str:
    conversation.clear()
    return "a new conversation"


def _help(_: Conversation, __: str) -> str:
    rows = [(f"/{name} {word.takes}".rstrip(), word.help) for name, word in WORDS.items()]
    width = max(len(row[0]) for row in rows)
    keys = [
        ("Alt-Enter, Ctrl-J", 'a new line; a text between two """ may have many'),
        ("Ctrl-C", "stops the answer"),
        ("Ctrl-D", "leaves"),
    ]
    return "\n".join(f"{left:<{width}}  {right}" for left, right in [*rows, *keys])


def _leave(_: Conversation, __: str) -> str:
    raise Leave


WORDS: Mapping[str, Word] = {
    "add": Word("FILE…", "Show documents with the next question.", _add),
    "drop": Word("N | NAME", "Forget a document.", _drop),
    "files": Word("", "List the documents with their tokens.", _files),
    "plan": Word("", "Say how much of the window is taken.", _plan),
    "model": Word("[NAME]", "Say which model answers, or let another one.", _model),
    "system": Word("[TEXT]", "Change the instruction; without TEXT, back to the default.", _system),
    "save": Word("FILE", "Write the conversation as Markdown, or JSON by its suffix.", _save),
    "retry": Word("", "Ask the last question again.", _retry),
    "undo": Word("", "Take the last question and its answer back.", _undo),
    "copy": Word("", "Copy the last answer to the clipboard.", _copy),
    "clear": Word("", "Begin a new conversation.", _clear),
    "help": Word("", "List all this.", _help),
    "exit": Word("", "Leave.", _leave),
}
"""By name, in the order of the help."""

_ALIASES = {"quit": "exit", "bye": "exit", "q": "exit", "?": "help"}
