"""Rows of a long measurement as lines of a file: what is written there is not measured again."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gemcli.errors import GemcliError, InputError
from gemcli.json_lines import append, lines


class Rows:
    """A file of rows; several runs may share one.

    A line that was cut short when a run was killed is dropped; every other line stays as it is.

    Args:
        path: the file, made when the first row is added.
        run: tells the rows of this run from others'.
        fields: what every row of a measurement has.

    Raises:
        InputError: there is something else in the file, or it cannot be read.
        GemcliError: it could not be written; said now, and not behind the first hour.
    """

    def __init__(self, path: Path, run: str, fields: Collection[str] = ()) -> None:
        self._path = path
        self._fields = fields
        self._run = run
        self.rows: list[dict[str, Any]] = []
        self._torn: int | None = None  # where a torn line begins
        try:
            with path.open("rb") as file:
                found = list(lines(file))
        except FileNotFoundError:
            found = []
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from error
        for number, (line, begin) in enumerate(found, 1):
            if not line.endswith(b"\n"):
                self._torn = begin
                break
            row = self._row(line, number)
            if row.pop("run") == run:
                self.rows.append(row)
        place = path if path.exists() else path.parent
        if not os.access(place, os.W_OK):
            why = os.strerror(errno.EACCES if place.exists() else errno.ENOENT)
            raise GemcliError(f"cannot write {path}: {why}")

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row, whole.

        Raises:
            GemcliError: it cannot be written.
        """
        try:
            with self._path.open("ab", buffering=0) as file:
                if self._torn is not None:
                    file.truncate(self._torn)
                    self._torn = None
                append(file, {"run": self._run, **row})
                os.fsync(file.fileno())
        except OSError as error:
            raise GemcliError(f"cannot write {self._path}: {error.strerror or error}") from error
        self.rows.append(dict(row))

    def _row(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if (
            not isinstance(row, dict)
            or not isinstance(row.get("run"), str)
            or not row.keys() >= set(self._fields)
        ):
            raise InputError(
                f"{self._path}, line {number}, is no row of a measurement", "Give --resume a file of its own."
            )
        return row
