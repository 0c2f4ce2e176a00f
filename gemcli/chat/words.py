"""The words that begin with a slash: what they are, what they do, and what is said of them."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemcli.chat.conversation import Conversation
from gemcli.chat.listed import Listed
from gemcli.errors import GemcliError, UsageError
from gemcli.events import Event
from gemcli.plural import counted


@dataclass(frozen=True, slots=True)
class Stage:
    """What the words work on.

    Attributes:
        conversation: the conversation.
        answer: shows the events of an answer.
        work: shows those of other work; returns what it made.
        copy: puts a text on the clipboard; returns what it says of that.
    """

    conversation: Conversation
    answer: Callable[[Generator[Event]], None]
    work: Callable[[Generator[Event, None, Any]], Any]
    copy: Callable[[str], str]


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
    run: Callable[[Stage, str], str]


class Leave(Exception):
    """The person wants to leave."""


def is_word(line: str) -> bool:
    """Whether a line is for us and not for the model."""
    line = line.lstrip()
    return line.startswith("/") and not line.startswith("//")


def run(stage: Stage, line: str) -> str:
    """Do what a line that begins with a slash says; returns what is to be said, perhaps nothing.

    Raises:
        GemcliError, ModelError: it cannot be done.
        Leave: the person wants to leave.
    """
    name, _, rest = line[1:].strip().partition(" ")
    word = WORDS.get(name.lower()) or WORDS.get(_ALIASES.get(name.lower(), ""))
    if word is None:
        raise UsageError(f"there is no /{name}", _meant(name))
    return word.run(stage, rest.strip())


def _meant(name: str) -> str:
    """What to do instead of a word that is none."""
    if "/" in name or "." in name:
        return f"/add /{name} shows the file; a question that begins with a slash begins with two: //{name}"
    begun = [each for each in WORDS if name and each.startswith(name)]
    near = begun or difflib.get_close_matches(name, [*WORDS, *_ALIASES], n=2)
    return f"Did you mean {' or '.join(f'/{each}' for each in near)}?" if near else "/help lists them."


def _add(stage: Stage, rest: str) -> str:
    from gemcli.ingest.locate import STDIN, locate

    try:
        files = [each if "://" in each else str(expanded(each)) for each in shlex.split(rest)]
    except ValueError as error:
        raise UsageError(f"/add {rest}: {str(error).lower()}", "Quote names with spaces.") from None
    if not files:
        raise UsageError("/add needs a file", "/add report.pdf#page=3-9")
    found = [source for each in files for source in locate(each).sources]  # what is not there is said now
    if any(source.name == STDIN for source in found):
        raise UsageError("stdin is no document here: it is where the questions come from", "Name a file.")
    stage.conversation.add(files)
    return f"{counted(len(found), 'document')} will be shown with the next question"


def _drop(stage: Stage, rest: str) -> str:
    if not rest:
        raise UsageError("/drop needs the number or the name of a document", "/files lists them.")
    return f"{stage.conversation.drop(rest)} is forgotten"


def _files(stage: Stage, _: str) -> str:
    from gemcli.ui.markdown.wrap import cells
    from gemcli.ui.sanitize import clean_line

    found = stage.conversation.documents()
    if not found:
        return "there are no documents; /add FILE shows one"
    names = [clean_line(each.name, terminal=True) for each in found]
    width = max(map(cells, names))
    return "\n".join(
        f"{number:>3}  {name}{' ' * (width - cells(name))}  " + _state(each)
        for number, (name, each) in enumerate(zip(names, found, strict=True), 1)
    )


def _state(document: Listed) -> str:
    if document.comes:
        return "comes with the next question"
    return "was shown" if document.tokens is None else f"{document.tokens:>9,} tokens"


def _plan(stage: Stage, _: str) -> str:
    found = stage.work(stage.conversation.plan())
    total, window, new = found["total_tokens"], found["window"], found["documents"]
    said = len(stage.conversation.asked)
    lines = [f"{total:>9,}  of the {window:,} tokens of {found['model']} ({total / window:.0%})"]
    lines.append(f"{found['overhead_tokens']:>9,}  instructions and {counted(said, 'turn')}")
    lines += [f"{each['tokens']:>9,}  {each['source']}" for each in new]
    if found["read"]["overflow"] == "select":
        lines.append("not all of it fits: for each question the passages that matter to it are chosen")
    elif not found["fits"]:
        lines.append("it does not fit: /undo takes the last turn back, /drop forgets a document")
    else:
        lines.append(f"{found['budget'] - sum(each['tokens'] for each in new):>9,}  are left for questions")
    return "\n".join(lines)


def _model(stage: Stage, rest: str) -> str:
    conversation = stage.conversation
    if not rest:
        from gemcli.hub.default import default_name

        return f"the model is {conversation.base.model or default_name()[0]}"
    if conversation.base.host is None:
        from gemcli.hub.resolve import resolve

        resolve(rest, offline=True, on_event=lambda event: None, may_pull=False)
    conversation.change(model=rest)
    conversation.warm()
    return f"{rest} answers from now on"


def _system(stage: Stage, rest: str) -> str:
    stage.conversation.change(system=rest or None)
    return "the instruction is changed" if rest else "the instruction is the default again"


def _save(stage: Stage, rest: str) -> str:
    from gemcli.chat.saved import save

    if not rest:
        raise UsageError("/save needs the name of a file", "/save talk.md")
    try:
        save(stage.conversation, expanded(rest))
    except FileExistsError:
        raise UsageError(f"{rest} is there already", "Give another name.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GemcliError(f"cannot write {rest}: {reason}") from error
    return f"{counted(len(stage.conversation.asked), 'turn')} saved in {rest}"


def _retry(stage: Stage, _: str) -> str:
    stage.answer(stage.conversation.again())
    return ""


def _undo(stage: Stage, _: str) -> str:
    question = stage.conversation.undo().strip()
    first = question.splitlines()[0] if question else "a question"
    return f"taken back: {first if len(first) <= _SHOWN else first[: _SHOWN - 1] + '…'}"


def _copy(stage: Stage, _: str) -> str:
    if not stage.conversation.said:
        raise UsageError("there is no answer to copy")
    return stage.copy(stage.conversation.said[-1].turn.answer)


def _clear(stage: Stage, _: str) -> str:
    stage.conversation.clear()
    return "a new conversation begins; /add shows it documents"


def _help(_: Stage, __: str) -> str:
    rows = [(f"/{name} {word.takes}".rstrip(), word.help) for name, word in WORDS.items()]
    width = max(len(row[0]) for row in [*rows, *_KEYS])
    return "\n".join(f"{left:<{width}}  {right}" for left, right in [*rows, *_KEYS])


def _leave(_: Stage, __: str) -> str:
    raise Leave


def expanded(word: str) -> Path:
    """A path whose `~` is somebody's home."""
    try:
        return Path(word).expanduser()
    except RuntimeError:  # nobody's
        return Path(word)


_SHOWN = 60
_KEYS = (
    ("Alt-Enter, Ctrl-J", 'A new line; between two """ Enter makes one too.'),
    ("Tab", "Complete a command, a file, a model."),
    ("Ctrl-C", "Stop the answer; clear the line."),
    ("Ctrl-D", "Leave."),
)

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
