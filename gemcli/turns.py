"""A conversation before the question that is asked now: what was asked, what was shown, what was answered."""

from __future__ import annotations

from dataclasses import dataclass

from gemcli.parts import Document


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer.

    Attributes:
        question: as it was asked.
        answer: as it was given, without thoughts.
        documents: what the model was shown with this question, as it was sent: after bridging, thinning and
            selection.
    """

    question: str
    answer: str
    documents: tuple[Document, ...] = ()
