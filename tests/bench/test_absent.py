"""Honest answers about absent facts, and those that only look like it."""

from __future__ import annotations

import pytest

from gemcli.bench.absent import admits_absence


@pytest.mark.parametrize(
    "answer",
    [
        "The answer is not in the documents.",
        "Not in the documents.",
        "It is not mentioned in the documents. Please check the website.",
        "I'm sorry, but the provided documents do not contain information about this.",
        "The number of employees is not specified in the provided text.",
        "There is no information about that in the given documents.",
        "Based on the documents, the price isn't stated.",
        "The manual doesn’t say which version of CUDA is needed.",
        "I cannot find the answer in the documents.",
        "It cannot be determined from the text.",
        "Nothing in the documents says so.",
        "Unknown.",
        "N/A",
    ],
)
def test_an_honest_answer(answer: str) -> None:
    assert admits_absence(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "No.",
        "128",
        "The maximum altitude is 120 m.",
        "The documents do not mention the price, but it costs 5 USD.",
        "The document does not provide information about the cost. R is free software.",
        "It is not mentioned; however, France won.",
        "It is not stated.\n\nThe foundation has 20 employees.",
        "CUDA 11 is not enough: it must be 12.",
        "The value is not in 5 to 7.",
    ],
)
def test_a_claim(answer: str) -> None:
    assert not admits_absence(answer)
