"""What can go wrong for a person: one exception a kind, each with its exit code.

The codes are the command line's contract: scripts test them.  A message says what went wrong and
where; `hint` says what to do about it.  `gemcli.main` is the only place that prints them.
"""

from __future__ import annotations


class GemcliError(Exception):
    """A failure that is shown to the person as one clear message.

    Args:
        message: what went wrong, naming the file, page or value.
        hint: what to do about it, as a sentence or a command; may be None.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class OutputError(GemcliError):
    """stdout cannot be written: whatever else is said there would be lost."""


class UsageError(GemcliError):
    """The command line itself is wrong."""

    exit_code = 2


class InputError(GemcliError):
    """A file, URL or stdin cannot be read."""

    exit_code = 3


class DoesNotFitError(GemcliError):
    """The prompt is longer than the model's window."""

    exit_code = 4


class ModelUnavailableError(GemcliError):
    """The model is missing, damaged, or of a kind that cannot be run."""

    exit_code = 5


class OutOfMemoryError(GemcliError):
    """This machine has not enough memory for the model and its context."""

    exit_code = 6


class SchemaError(GemcliError):
    """The answer does not satisfy the schema: there was no room for all of it."""

    exit_code = 7


class CitationError(GemcliError):
    """A citation could not be verified, where all must be."""

    exit_code = 8


EXIT_INTERRUPTED = 130
EXIT_READER_GONE = 141
