"""What a model is asked while it reads everything, window by window, and when it answers from its notes."""

from __future__ import annotations

import re
from collections.abc import Sequence

SYSTEM = "You read a long text part by part and take short, exact notes. You add nothing of your own."

NOTHING = "nothing"

_SUMMARY = re.compile(
    r"\b(?:summar|overview|outline|synops|gist\b|(?:main|key) (?:points|ideas|topics)|"
    r"tl;?dr|what (?:is|are) (?:this|these|it|they|the (?:document|book|text|report|paper|file|manual)s?)"
    r"\b.{0,30}\babout|chapter by chapter|each chapter|every chapter|all chapters|"
    r"zusammenfass|überblick|fasse\b|résume[rz]?\b|(?:un|le) résumé|aperçu|"
    r"resumen|resumir|resum[ae] (?:el|la|los|las|o|este|esta)\b|"
    r"riassu|sintesi|panorámica|samenvat|sammanfatt|"
    r"streszcz|podsumow)|кратк|резюм|обобщ|要約|总结|總結|概括|摘要|요약",
    re.IGNORECASE,
)


def is_summary(question: str) -> bool:
    """Whether a question asks for what everything says, rather than for something in it."""
    return bool(_SUMMARY.search(question))


def note_question(question: str, example: str, titles: Sequence[str] = ()) -> str:
    """What is asked about one window.

    A small model that is asked for main points copies the first paragraph and stops; one that is given the
    headings says something about each.

    Args:
        question: the person's.
        example: a place in this window, as it is written in brackets.
        titles: the headings under which its text stands, for a summary.
    """
    question = " ".join(question.split())
    shape = (
        "Write one short line for each, beginning with '- ' and ending with the place that it is from, "
        f"like [{example}]. At most 8 lines, in the order of the text, in the language of the task."
    )
    if is_summary(question):
        begin = f"The text above is one part of a longer text. The task for the whole is: {question}\n"
        if not titles:
            return f"{begin}Note the main points of this part alone, from its beginning to its end. {shape}"
        listed = "\n".join(f"- {title}: …" for title in titles)
        return (
            f"{begin}Write one line for each of the following headings, in this order, with one short "
            f"sentence of what the text under it says in the place of the dots:\n{listed}"
        )
    return (
        f"The text above is one part of a longer text. Note everything in it that helps with this task: "
        f"{question}\n{shape} If nothing in this part has to do with the task, write only: {NOTHING}"
    )


def is_echo(text: str) -> bool:
    """Whether a line says what was asked instead of an answer, as weak models do."""
    words = re.findall(r"\w+", text.casefold())
    return len(words) >= _ECHO_WORDS and sum(word in _OURS for word in words) > _ECHO * len(words)


def merge_question(question: str) -> str:
    """What is asked about notes that are too long together."""
    question = " ".join(question.split())
    return (
        f"The text above are notes on a longer text. Make them shorter for this task: {question}\n"
        "Join notes that say the same, keep what matters for the task, keep names and numbers. Write one "
        "short line for each point, beginning with '- ' and ending with its place in brackets as above."
    )


def final_question(question: str, chapters: Sequence[str]) -> str:
    """The question about the notes.

    Args:
        question: the person's.
        chapters: titles of the outermost headings, in order; may be empty.
    """
    question = question.strip()
    if not is_summary(question):
        return (
            f"{question}\n\nThe documents above are notes taken while reading all of them with this question "
            "in mind. Use every note that bears on it, in order, and give its place in brackets."
        )
    if len(chapters) < 2:
        return f"{question}\n\nThe documents above are notes on all of them, in order: leave no part out."
    listed = "\n".join(f"- {title}: …" for title in chapters)
    return (
        f"{question}\n\nThe documents above are notes on all of them, in order. Write one line for each of "
        "the following headings, in this order, with one sentence of what the notes under it say in the "
        f"place of the dots:\n{listed}"
    )


_ECHO_WORDS = 5
_ECHO = 0.8
_OURS = frozenset(
    re.findall(
        r"\w+",
        " ".join(
            (SYSTEM, note_question("", ""), note_question("summary", ""), note_question("summary", "", ("",)))
        ).casefold(),
    )
)
