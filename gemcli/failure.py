"""Any exception as what a person is told of it: an exit code of the contract, one message, what to do."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from gemcli.errors import EXIT_INTERRUPTED, EXIT_READER_GONE, GemcliError

EXIT_TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """The system asked us to end (SIGTERM): like an interrupt, with another exit code."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What is said about an exception.

    Attributes:
        code: the exit code.
        message: what went wrong, on one line; empty where there is nobody to tell.
        hint: what to do about it.
        expected: False for a defect of ours, which a traceback would help to mend.
    """

    code: int
    message: str
    hint: str | None = None
    expected: bool = True

    def to_json(self) -> dict[str, object]:
        """The contract's ``error`` object."""
        return {"code": self.code, "message": self.message}


def failure(error: BaseException) -> Failure:
    """What an exception means for the person and the script that called us."""
    if isinstance(error, GemcliError):
        return Failure(error.exit_code, error.message, error.hint)
    if isinstance(error, Terminated):
        return Failure(EXIT_TERMINATED, "terminated")
    if isinstance(error, KeyboardInterrupt):
        return Failure(EXIT_INTERRUPTED, "interrupted")
    if isinstance(error, BrokenPipeError) or getattr(error, "exit_code", None) == EXIT_READER_GONE:
        return Failure(EXIT_READER_GONE, "")
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return Failure(
            6,
            "this machine has not enough memory for the model and its context",
            "Give a smaller --context, ask about less, or take a smaller model (`gemcli models list`).",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Failure(1, f"no space is left on the device ({error.filename or 'while writing'})")
    return _model_failure(error) or _defect(error)


def _model_failure(error: BaseException) -> Failure | None:
    from model import errors

    if isinstance(error, errors.ContextOverflowError):
        return Failure(4, str(error), "Ask about less, or take a model with a larger window.")
    if isinstance(error, errors.DeviceError):
        return Failure(1, str(error), _device_hint(str(error)))
    if isinstance(error, errors.FormatError):
        return Failure(
            5,
            str(error),
            "Pull the model again (`gemcli models rm NAME`, `gemcli pull NAME`), or give another file.",
        )
    if isinstance(error, errors.UnsupportedModelError | errors.TemplateError):
        return Failure(5, str(error), "`gemcli models list` shows models that are known to run.")
    return Failure(1, str(error)) if isinstance(error, errors.ModelError) else None


def _device_hint(message: str) -> str:
    from gemcli.hub.devices import INSTALL_CUDA, lacks_cuda

    if " gpu " in message and lacks_cuda():
        return INSTALL_CUDA
    return "`gemcli doctor` shows the devices; --device auto takes the best of them."


def _defect(error: BaseException) -> Failure:
    said = _line(error)
    return Failure(
        1,
        f"{type(error).__name__}: {said}" if said else type(error).__name__,
        "This should not happen. Run it again with --debug for the details.",
        expected=False,
    )


def _line(error: BaseException) -> str:
    """What an exception says, on one line of bearable length."""
    said = " ".join(str(error).split())
    return f"{said[:300]}…" if len(said) > 300 else said
