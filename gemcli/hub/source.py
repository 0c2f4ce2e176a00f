"""Where a model's bytes can be had, as data, and how a source says no."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HubSource:
    """One file of a repository on a Hugging Face style hub.

    Attributes:
        repo: ``owner/name``.
        file: the file's path inside the repository.
        revision: branch, tag or commit.
    """

    repo: str
    file: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"hub: {self.repo}, {self.file}"


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A run of the model's bytes inside one wheel.

    Attributes:
        package: the project's name on PyPI.
        version: the exact version.
        member: the path of the bytes inside the wheel.
        size: bytes of that member, uncompressed.
    """

    package: str
    version: str
    member: str
    size: int


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Wheels on PyPI whose members, one after the other, are the file."""

    parts: tuple[WheelPart, ...]

    def __str__(self) -> str:
        first, last = self.parts[0], self.parts[-1]
        names = first.package if first is last else f"{first.package} … {last.package}"
        return f"PyPI: {names} {first.version}"


Source = HubSource | WheelSource


class SourceError(Exception):
    """One source cannot give the file; the next one may.

    Args:
        reason: why, as the end of the sentence "from this source: …".
        hint: what the person can do about it; may be None.
    """

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
