"""Every exception has the contract's exit code and says what to do."""

from __future__ import annotations

import errno

import pytest

from gemcli import errors
from gemcli.failure import Terminated, failure
from gemcli.ui import ReaderGone
from model import errors as engine


class XlaRuntimeError(RuntimeError):
    """Named as jaxlib's."""


@pytest.mark.parametrize(
    ("error", "code", "hinted", "expected"),
    [
        (errors.GemcliError("a", "b"), 1, True, True),
        (errors.UsageError("a", "b"), 2, True, True),
        (errors.InputError("a"), 3, False, True),
        (errors.DoesNotFitError("a"), 4, False, True),
        (errors.ModelUnavailableError("a"), 5, False, True),
        (errors.OutOfMemoryError("a"), 6, False, True),
        (engine.FormatError("a"), 5, True, True),
        (engine.UnsupportedModelError("a"), 5, True, True),
        (engine.TemplateError("a"), 5, True, True),
        (engine.ContextOverflowError(9, 8), 4, True, True),
        (engine.ModelError("a"), 1, False, True),
        (MemoryError(), 6, True, True),
        (XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory"), 6, True, True),
        (XlaRuntimeError("INTERNAL: a"), 1, True, False),
        (engine.DeviceError("a"), 1, True, True),
        (OSError(errno.ENOSPC, "No space", "f"), 1, False, True),
        (BrokenPipeError(), 141, False, True),
        (ReaderGone(), 141, False, True),
        (KeyboardInterrupt(), 130, False, True),
        (Terminated(), 143, False, True),
        (ZeroDivisionError("a"), 1, True, False),
    ],
)
def test_codes_and_hints(error, code, hinted, expected):
    why = failure(error)
    assert (why.code, why.hint is not None, why.expected) == (code, hinted, expected)
    assert bool(why.message) == (code != 141)
    assert why.to_json() == {"code": code, "message": why.message}


def test_a_defect_is_one_bearable_line_that_names_the_way_to_more():
    why = failure(ValueError("first\n  second " + "x" * 1000))
    assert why.message.startswith("ValueError: first second x")
    assert len(why.message) < 330
    assert "--debug" in (why.hint or "")
    assert failure(ValueError()).message == "ValueError"
