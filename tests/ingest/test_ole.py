import datetime
import io

import office
import openpyxl
from python_calamine import CalamineWorkbook

from gemcli.ingest.ole import sheet_rows


def test_rows_stand_where_they_are():
    book = openpyxl.Workbook()
    book.active["C3"], book.active["D5"], book.active["E5"] = "x", 0.5, datetime.date(2024, 2, 29)
    opened = CalamineWorkbook.from_filelike(io.BytesIO(office.saved(book)))
    assert list(sheet_rows("a.xls", opened, "Sheet")) == [
        (3, [(3, "x")]),
        (5, [(4, "0.5"), (5, "2024-02-29")]),
    ]
