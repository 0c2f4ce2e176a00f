"""What fits, and what is said where it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemcli.errors import DoesNotFitError, UsageError
from gemcli.pack.budget import ANSWER, budget


def test_a_small_window_keeps_an_eighth_and_a_large_one_a_thousand():
    assert budget(2048).room == 256
    assert budget(32_768).room == 1_024
    assert budget(32_768).longest == ANSWER
    assert budget(32_768, max_tokens=7).room == 7
    assert budget(32_768, context=4_096).window == 4_096


@given(st.integers(64, 1 << 20), st.integers(0, 1 << 21), st.none() | st.integers(1, 40))
def test_the_window_holds_prompt_and_answer(window, prompt, max_tokens):
    limits = budget(window, max_tokens=max_tokens)
    if limits.fits(prompt):
        assert limits.answer(prompt) >= limits.room >= 1
        assert prompt + limits.answer(prompt) <= window
        limits.check(prompt, model="m", documents={})
    else:
        with pytest.raises(DoesNotFitError):
            limits.check(prompt, model="m", documents={})


@given(st.integers(64, 1 << 20), st.integers(0, 1 << 21))
def test_fits_is_the_budget_of_the_documents(window, overhead):
    limits = budget(window)
    left = limits.for_documents(overhead)
    if limits.fits(overhead):
        assert limits.fits(overhead + left)
        assert not limits.fits(overhead + left + 1)
    else:
        assert left == 0


def test_what_does_not_fit_is_told_in_numbers():
    with pytest.raises(DoesNotFitError) as caught:
        budget(8_192).check(
            10_000, model="tiny", documents={"a.md": 1_000, "b.pdf": 8_000, "c.md": 5, "d.md": 900}
        )
    assert caught.value.message == (
        "the prompt has 10,000 tokens (b.pdf: 8,000, a.md: 1,000, d.md: 900 and 1 more), but tiny reads "
        "8,192, of which 1,024 are kept for the answer: 2,832 too many"
    )
    assert caught.value.exit_code == 4
    assert "gemcli plan" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"context": 9_000}, "more than the model's window"),
        ({"context": 9_000, "longest": 8_999}, "more than the 8,999 that can be read"),
        ({"max_tokens": 8_192}, "leaves nothing"),
        ({"context": 100, "max_tokens": 100}, "leaves nothing"),
    ],
)
def test_impossible_limits_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        budget(8_192, **arguments)
