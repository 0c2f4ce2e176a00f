"""The failures of the engine room.  The front turns each into an exit code."""

from __future__ import annotations


class ModelError(Exception):
    """Base of every failure that the model package raises on purpose."""


class FormatError(ModelError):
    """A weight file is damaged, cut short, or not of the format it claims."""


class UnsupportedModelError(ModelError):
    """The file is sound, but holds an architecture, tensor type or tokenizer we do not run."""


class TemplateError(ModelError):
    """A chat template refused the conversation or tried something it may not do."""


class DeviceError(ModelError):
    """The device that was asked for cannot be used."""


class ContextOverflowError(ModelError):
    """The prompt and the room for the answer are longer than the context.

    Args:
        needed: tokens of the prompt plus the answer that was asked for.
        window: tokens that fit.
    """

    def __init__(self, needed: int, window: int) -> None:
        super().__init__(f"{needed:,} tokens are needed, but only {window:,} fit")
        self.needed = needed
        self.window = window


class BusyError(ModelError):
    """As many requests are being answered, and as many wait, as may; one more has to come again later.

    Args:
        running: requests that are being answered.
        waiting: those that wait.
    """

    def __init__(self, running: int, waiting: int) -> None:
        super().__init__(f"{running:,} requests are being answered and {waiting:,} wait: try again later")
        self.running = running
        self.waiting = waiting
