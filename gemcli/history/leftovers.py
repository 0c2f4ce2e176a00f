"""What there is of what was asked besides the history's database: for whoever deletes the whole of it."""

from __future__ import annotations

from pathlib import Path

from gemcli.errors import GemcliError
from gemcli.history.database import DAMAGED, folder
from gemcli.settings import data_dir


def typed_lines() -> Path:
    """The file of the lines typed in chats; it need not exist."""
    return data_dir() / "chat-lines"


def leftovers() -> list[Path]:
    """Databases that were damaged, and the lines typed in chats: the files that are there."""
    found = [*sorted(folder().glob(f"{DAMAGED}*")), typed_lines()]
    return [path for path in found if path.is_file()]


def remove(paths: list[Path]) -> None:
    """Delete such files.

    Raises:
        GemcliError: the disk refuses.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise GemcliError(f"cannot delete {path}: {error.strerror or error}") from error
