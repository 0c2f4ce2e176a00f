"""Whether a checkpoint's tensors are those that what it describes is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from model.errors import FormatError
from model.formats.checkpoint import Checkpoint

Shape = tuple[int, ...]


def check(
    file: Checkpoint, what: str, wanted: Mapping[str, Collection[Shape]], is_strange: Callable[[str], bool]
) -> None:
    """Compare names and shapes.

    Args:
        file: an open checkpoint.
        what: it should hold, for the message.
        wanted: the tensors, each with the shapes that it may have; the first is the usual one.
        is_strange: whether a tensor that is not wanted has no business there.

    Raises:
        FormatError: tensors are missing, unknown or of the wrong shape; all of them are listed.
    """
    tensors = file.tensors
    problems = [f"missing: {name}" for name in wanted if name not in tensors]
    problems += [f"unknown: {name}" for name in tensors if name not in wanted and is_strange(name)]
    problems += [
        f"{name} has shape {list(tensors[name].shape)}, expected {list(next(iter(shapes)))}"
        for name, shapes in wanted.items()
        if name in tensors and tuple(tensors[name].shape) not in shapes
    ]
    refuse(file, what, problems)


def refuse(file: Checkpoint, what: str, problems: Sequence[str]) -> None:
    """Raise a FormatError where there are problems."""
    if problems:
        raise FormatError(
            f"{file.path}: its tensors do not make up the {what} it describes:\n  " + "\n  ".join(problems)
        )
