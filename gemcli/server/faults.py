"""What a client is told when its request fails: an HTTP status and OpenAI's error object."""

from __future__ import annotations

from gemcli.failure import Failure, failure
from gemcli.worker import Cancelled

_BY_EXIT_CODE = {
    2: (400, "invalid_request_error", None),
    3: (400, "invalid_request_error", "unreadable_input"),
    4: (400, "invalid_request_error", "context_length_exceeded"),
    5: (503, "server_error", "model_unavailable"),
    6: (503, "server_error", "out_of_memory"),
}


class Fault(Exception):
    """A request that is refused or failed.

    Args:
        status: of HTTP.
        message: what went wrong, for a person.
        kind: the ``type`` of the error object.
        param: the field that is wrong, such as ``messages[0].content``.
        code: a word for programs.
        retry_after: seconds after which it may be tried again.
        expected: False for a defect of ours.
        extra: more fields of the body, beside ``error``.
        headers: more headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
        expected: bool = True,
        extra: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.retry_after = retry_after
        self.expected = expected
        self.extra = extra or {}
        self.more_headers = headers or {}

    def body(self) -> dict[str, object]:
        """The error object as OpenAI's API has it."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error, **self.extra}

    def headers(self) -> dict[str, str]:
        """Headers that belong to it."""
        headers = dict(self.more_headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


def bad(message: str, param: str | None = None, *, code: str | None = None) -> Fault:
    """A request that makes no sense, or asks for what is not done here."""
    return Fault(400, message, param=param, code=code)


def fault(error: BaseException) -> Fault:
    """Any exception as what the client is told of it; of a defect it learns no more than that."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, Cancelled):
        return Fault(503, "the answer was ended", kind="server_error", code="cancelled")
    return of_failure(failure(error))


def of_failure(why: Failure) -> Fault:
    """What went wrong with an answer, as what the client is told of it."""
    if not why.expected:
        return Fault(500, "something is wrong with this server", kind="server_error", expected=False)
    status, kind, code = _BY_EXIT_CODE.get(why.code, (500, "server_error", None))
    return Fault(status, why.message, kind=kind, code=code)
