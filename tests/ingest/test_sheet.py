import datetime
import io

import office
import openpyxl
import pytest

from gemcli.errors import InputError, UsageError
from gemcli.ingest import sheet as sheet_module
from gemcli.ingest.ranges import parse
from gemcli.ingest.sheet import read
from gemcli.ingest.source import EmptyError
from gemcli.parts import Image

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODS = office.ODF + "spreadsheet"
OLE = "application/x-ole-storage"


def document(source, data, media_type=XLSX, **options):
    return read(source(data, media_type, **options), lambda done, total: None)


def book(*values, formats=None):
    """A workbook of one sheet from rows of values."""
    made = openpyxl.Workbook()
    for row in values:
        made.active.append(row)
    for cell, code in (formats or {}).items():
        made.active[cell].number_format = code
    return made


def lines(found):
    return found.parts[0].text.removeprefix("## Sheet\n\n").rstrip("\n").split("\n")


def test_sheets_in_blocks_with_exact_ranges(source):
    found = document(source, office.workbook())
    assert [part.anchor.cell for part in found.parts] == [
        "'Sales 2024'!A1:C50",
        "'Sales 2024'!A51:C100",
        "'Sales 2024'!A101:C121",
        "Aside!C5",
    ]
    assert found.parts[0].text.startswith("## Sales 2024\n\nRegion | Amount | Share\nR1 | 1.3 | 0.5%\n")
    assert found.parts[1].heading == "Sales 2024 › Region | Amount | Share"
    assert found.parts[1].text.startswith("R50 | 50.3 | 25%\n")
    assert found.parts[3].text == "## Aside (hidden sheet)\n\nsecret\n\n"
    assert found.warnings == ("sheet Aside is hidden, but read",)


def test_values_as_they_mean(source):
    day = datetime.datetime(2024, 2, 29)
    found = document(
        source,
        saved := office.saved(
            book(
                [0.1 + 0.2, 1e15, True, day, datetime.time(8, 5), datetime.timedelta(hours=30), -7],
                [12.5, 3, 0.256, 1234.5],
                formats={"A2": "[$€-407] #,##0.00", "B2": "0.00 [$CHF]", "C2": "0%", "D2": "#,##0.00"},
            )
        ),
    )
    assert len(saved) > 1000
    assert lines(found) == [
        "0.3 | 1000000000000000 | TRUE | 2024-02-29 | 08:05:00 | 30:00:00 | -7",
        "€12.5 | 3 CHF | 25.6% | 1234.5",
    ]


def test_errors_and_formulas_without_a_value(source):
    made = book(["=A2*2", "x"])
    made.active["B2"] = "#DIV/0!"
    made.active["B2"].data_type = "e"
    found = document(source, office.saved(made))
    assert lines(found) == ["=A2*2 | x", " | #DIV/0!"]
    assert "1 formulas have no stored value" in found.warnings[0]


def test_gaps_and_merged_cells(source):
    made = book()
    made.active["B3"], made.active["C3"], made.active["C4"], made.active["C9"] = "group", "one", "two", "far"
    made.active.merge_cells("B3:B4")
    found = document(source, office.saved(made))
    assert lines(found) == ["group | one", "group | two", "", " | far"]
    assert found.parts[0].anchor.cell == "Sheet!B3:C9"


def test_cells_far_apart_take_no_room(source):
    made = book(["near"])
    made.active["XFD1048576"] = "far"
    found = document(source, office.saved(made))
    assert [part.anchor.cell for part in found.parts] == ["Sheet!A1", "Sheet!XFD1048576"]
    assert found.parts[1].text == "far\n\n"


def test_a_wide_row_is_cut_by_columns(source):
    found = document(source, office.saved(book(["x" * 1900] * 10)))
    assert [part.anchor.cell for part in found.parts] == [
        "Sheet!A1:C1", "Sheet!D1:F1", "Sheet!G1:I1", "Sheet!J1",
    ]  # fmt: skip


def test_charts_and_pictures(source):
    made = book(["a", 1], ["b", 2])
    made.active.add_image(openpyxl.drawing.image.Image(io.BytesIO(office.png())), "D5")
    found = document(source, office.saved(made))
    picture = found.parts[1]
    assert isinstance(picture, Image)
    assert picture.anchor.cell == "Sheet!D5"


def test_too_many_cells_are_refused_with_numbers(source, monkeypatch):
    monkeypatch.setattr(sheet_module, "MAX_CELLS", 100)
    with pytest.raises(InputError, match=r"more than 100 filled cells; they are reached in row 34 of"):
        document(source, office.workbook())


def test_ranges_are_refused(source):
    with pytest.raises(UsageError, match="cells, not pages"):
        document(source, office.workbook(), selection=parse("1", "page"))


def test_an_opendocument_sheet(source):
    def cell(value, kind="float", text=""):
        return (
            f'<table:table-cell office:value-type="{kind}" {value}><text:p>{text}</text:p></table:table-cell>'
        )

    data = office.ods(
        '<table:table-row table:number-rows-repeated="1000000"><table:table-cell '
        'table:number-columns-repeated="16384"/></table:table-row><table:table-row>'
        + cell('office:value="0.30000000000000004"', text="0,3")
        + cell('office:date-value="2024-02-29"', "date")
        + cell('office:value="0.256"', "percentage")
        + cell('office:value="5" office:currency="EUR"', "currency")
        + cell("", "string", "words")
        + cell('office:value="0"', "float", "#DIV/0!")
        + "</table:table-row>"
    )
    found = document(source, data, ODS)
    assert found.parts[0].anchor.cell == "Sheet!A1000001:F1000001"
    assert lines(found) == ["0.3 | 2024-02-29 | 25.6% | 5 EUR | words | #DIV/0!"]


def test_a_repeated_cell_cannot_fill_the_memory(source, monkeypatch):
    monkeypatch.setattr(sheet_module, "MAX_CELLS", 100_000)
    row = (
        '<table:table-row table:number-rows-repeated="1048576"><table:table-cell '
        'table:number-columns-repeated="16384" office:value-type="string"><text:p>x</text:p>'
        "</table:table-cell></table:table-row>"
    )
    with pytest.raises(InputError, match="more than 100,000 filled cells"):
        document(source, office.ods(row), ODS)


def test_old_and_protected_files_are_told(source):
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    for name, message in {
        "EncryptedPackage": "only with a password",
        "WordDocument": "an older Word document",
        "PowerPoint Document": "an older PowerPoint presentation",
        "Nonsense": "no document that is known",
        "Workbook": "is damaged",
    }.items():
        with pytest.raises(InputError, match=message):
            document(source, head + name.encode("utf-16-le") + bytes(600), OLE)


def test_bad_workbooks(source):
    with pytest.raises(EmptyError):
        document(source, office.saved(book()))
    whole = office.workbook()
    cut = office.changed(whole, "xl/worksheets/sheet1.xml", lambda xml: xml[: len(xml) // 2])
    found = document(source, cut)
    assert any("is damaged: sheet Sales 2024 is read as far as row" in said for said in found.warnings)
    gone = office.changed(whole, "xl/worksheets/sheet1.xml", lambda xml: b"<!DOCTYPE a><a/>")
    assert "is damaged and not read" in document(source, gone).warnings[0]
    with pytest.raises(InputError, match="xlsb"):
        document(source, office.packed({"xl/workbook.bin": b""}))


def test_damage_never_gets_through(source):
    office.outcomes(read, source, office.workbook(), XLSX)
    office.outcomes(read, source, office.ods('<table:table-row><table:table-cell office:value-type="float" '
        'office:value="4"/></table:table-row>' * 30), ODS)  # fmt: skip
