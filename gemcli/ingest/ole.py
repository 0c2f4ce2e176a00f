"""The container of older Office programs (OLE): xls workbooks are read, everything else is named."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator
from typing import Any

from gemcli.errors import InputError
from gemcli.ingest.cells import Row, Sheet, moment_text, number_text
from gemcli.ingest.source import Source

_MAX_SIZE = 128 << 20
_HEAD = 1 << 20
_KINDS = (  # a stream's name in UTF-16 → (what the file is, how it is made readable)
    ("EncryptedPackage", None, ""),
    ("WordDocument", "an older Word document", "docx"),
    ("PowerPoint Document", "an older PowerPoint presentation", "pptx"),
    ("Workbook", "", ""),
    ("Book", "", ""),
    ("__properties_version1.0", "an Outlook message", "eml"),
    ("VisioDocument", "a Visio drawing", "pdf"),
)


def sheets(source: Source) -> Iterator[Sheet]:
    """The sheets of an xls workbook.

    Raises:
        InputError: it is something else, protected, damaged, or the library for it is not installed.
    """
    data = source.read()
    _check(source.name, data)
    try:
        from python_calamine import CalamineWorkbook, PasswordError, SheetVisibleEnum
    except ImportError:
        raise InputError(
            f"{source.name} is an older Excel workbook (xls): reading it takes python-calamine",
            'pip install "gemcli[office]"',
        ) from None
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    except PasswordError:
        raise _protected(source.name) from None
    except BaseException as error:
        raise _damaged(source.name, error) from error
    for about in book.sheets_metadata:
        hidden = about.visible != SheetVisibleEnum.Visible
        sheet = Sheet(about.name, iter(()), hidden)
        sheet.rows = sheet_rows(source.name, book, about.name)
        yield sheet


def sheet_rows(file: str, book: Any, name: str) -> Iterator[Row]:
    """The filled rows of one sheet of a workbook that the library has opened.

    Raises:
        InputError: the library cannot read it.
    """
    try:
        sheet = book.get_sheet_by_name(name)
        start = sheet.start
        rows = sheet.iter_rows()
    except BaseException as error:
        raise _damaged(file, error) from error
    if start is None:
        return
    number = 0  # rows come from the first of the sheet, columns from the first that holds anything
    while True:
        try:
            values = next(rows, None)
        except BaseException as error:
            raise _damaged(file, error) from error
        if values is None:
            return
        number += 1
        cells = [
            (at, text) for at, value in enumerate(values, start[1] + 1) if (text := _text(value)).strip()
        ]
        if cells:
            yield number, cells


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return number_text(float(value))
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return moment_text(value)
    return str(value)


def _check(file: str, data: bytes) -> None:
    """Refuse what is no workbook, by the names in the container's directory."""
    if len(data) > _MAX_SIZE:
        raise InputError(f"{file} is an older Office document of {len(data):,} bytes: too large to be read")
    for name, kind, form in _KINDS:
        if name.encode("utf-16-le") + b"\0\0" not in data:
            continue
        if kind is None:
            raise _protected(file)
        if not kind:
            return
        hint = f"convert it first: libreoffice --convert-to {form} FILE"
        raise InputError(f"{file} is {kind}, which is not read", hint if form != "eml" else "save it as .eml")
    raise InputError(
        f"{file} is in the container of older Office programs, but no document that is known",
        "convert it first, for example: libreoffice --convert-to pdf FILE",
    )


def _protected(file: str) -> InputError:
    return InputError(
        f"{file} is encrypted: it opens only with a password", "take the password off in its program first"
    )


def _damaged(file: str, error: BaseException) -> BaseException:
    """A failure of the library, its panics included, which are no `Exception`; an interrupt stays one."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        return error
    if isinstance(error, MemoryError):
        return error
    return InputError(
        f"{file} is damaged: {error}",
        "open it in its program and save it as xlsx: libreoffice --convert-to xlsx FILE",
    )
