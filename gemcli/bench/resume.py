"""Rows of a long measurement as lines of a file: what is written there is not measured again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gemcli.errors import GemcliError, InputError


class Rows:
    """A file of rows; several runs may share one.

    A line that was cut short when a run was killed is dropped; every other line stays as it is.

    Args:
        path: the file, made when the first row is added.
        run: tells the rows of this run from others'.

    Raises:
        InputError: there is something else in the file, or it cannot be read.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._path = path
        self._run = run
        self.rows: list[dict[str, Any]] = []
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from error
        lines = data.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            self._torn = len(lines.pop())
        else:
            self._torn = 0
        for number, line in enumerate(lines, 1):
            row = self._row(line, number)
            if row.pop("run") == run:
                self.rows.append(row)
        self._whole = len(data) - self._torn

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row, whole.

        Raises:
            GemcliError: it cannot be written.
        """
        line = json.dumps({"run": self._run, **row}, ensure_ascii=False) + "\n"
        try:
            with self._path.open("ab") as file:
                if self._torn:
                    file.truncate(self._whole)
                    self._torn = 0
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise GemcliError(f"cannot write {self._path}: {error.strerror or error}") from error
        self.rows.append(dict(row))

    def _row(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("run"), str):
            raise InputError(
                f"{self._path}, line {number}, is no row of a measurement", "Give --resume a file of its own."
            )
        return row
