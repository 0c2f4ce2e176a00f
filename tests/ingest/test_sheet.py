import datetime
import io

import office
import openpyxl
import pytest
from openpyxl.comments import Comment

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


def commented(author="Ann", text="look\nhere"):
    made = book(*([f"row {at}"] for at in range(1, 121)))
    made.active["A3"].comment = Comment(text, author)
    made.active["C60"].comment = Comment("beside", "Bob")
    made.active["A200"].comment = Comment("below", "")
    return office.saved(made)


def test_comments_stand_behind_the_block_of_their_cells(source):
    found = document(source, commented())
    assert [(part.anchor.cell, part.text[:40]) for part in found.parts if ": comment" in part.text] == [
        ("Sheet!A3", "A3: comment by Ann: look here\n\n"),
        ("Sheet!C60", "C60: comment by Bob: beside\n\n"),
        ("Sheet!A200", "A200: comment: below\n\n"),
    ]
    assert [part.anchor.cell for part in found.parts] == [
        "Sheet!A1:A50", "Sheet!A3", "Sheet!A51:A100", "Sheet!C60", "Sheet!A101:A120", "Sheet!A200",
    ]  # fmt: skip
    assert found.warnings == ()


def test_a_comment_without_any_cell_and_its_authors_name_once(source):
    made = book()
    made.active["B2"].comment = Comment("Ann:\nonly this", "Ann")
    assert [part.text for part in document(source, office.saved(made)).parts] == [
        "## Sheet\n\nB2: comment by Ann: only this\n\n"
    ]


def test_threads_of_comments_stand_for_their_notes(source):
    members = office.members_of(commented("tc={1}", "[Threaded comment] Your version of Excel …"))
    space = 'xmlns="http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments"'
    kinds = "http://schemas.microsoft.com/office/2017/10/relationships/"
    members["xl/threadedComments/threadedComment1.xml"] = (
        f'<ThreadedComments {space}><threadedComment ref="A3" personId="p" id="1" done="1">'
        '<text>Is this right?</text></threadedComment><threadedComment ref="A3" personId="q" id="2" '
        'parentId="1"><text>Yes</text></threadedComment></ThreadedComments>'
    )
    members["xl/persons/person.xml"] = (
        f'<personList {space}><person displayName="Ann Lee" id="p"/>'
        '<person displayName="Bob" id="q"/></personList>'
    )
    for owner, kind, target in (
        (
            "xl/worksheets/_rels/sheet1.xml.rels",
            "threadedComment",
            "/xl/threadedComments/threadedComment1.xml",
        ),
        ("xl/_rels/workbook.xml.rels", "person", "/xl/persons/person.xml"),
    ):
        relation = f'<Relationship Id="t" Type="{kinds}{kind}" Target="{target}"/></Relationships>'
        members[owner] = members[owner].replace(b"</Relationships>", relation.encode())
    found = document(source, office.packed(members))
    assert found.parts[1].text == (
        "A3: resolved comment by Ann Lee: Is this right?\nA3: reply by Bob: Yes\n\n"
    )
    assert not any("Your version of Excel" in part.text for part in found.parts)


def test_comments_that_are_damaged_are_said(source):
    cut = office.changed(commented(), "xl/comments/comment1.xml", lambda xml: xml[:100])
    found = document(source, cut)
    assert len(found.parts) == 3
    assert "sheet Sheet: its comments are not read: " in found.warnings[0]


def test_many_long_comments_come_in_pieces(source):
    made = book(["x"])
    for at in range(1, 21):
        made.active.cell(at, 1).comment = Comment("word " * 200, "Ann")
    parts = document(source, office.saved(made)).parts
    assert "".join(part.text for part in parts).count("comment by Ann") == 20
    assert max(len(part.text) for part in parts) < 6_100


def test_hidden_rows_and_columns_are_read_and_said(source):
    made = book(["a", "b", "c"], ["d", "e", "f"], ["g"])
    made.active.row_dimensions[2].hidden = made.active.row_dimensions[3].hidden = True
    made.active.row_dimensions[9].hidden = True
    made.active.column_dimensions["B"].hidden = made.active.column_dimensions["F"].hidden = True
    found = document(source, office.saved(made))
    assert lines(found) == ["a | b | c", "d | e | f", "g"]
    assert found.warnings == ("sheet Sheet: 2 rows and 1 column are hidden or filtered out, but read",)


def drawn(change):
    """A workbook with a picture whose drawing is put through `change`."""
    made = book(["a", 1])
    made.active.add_image(openpyxl.drawing.image.Image(io.BytesIO(office.png())), "D5")
    whole = office.saved(made)
    return change(whole)


def test_pictures_outside_of_the_file_are_said_and_not_fetched(source):
    linked = drawn(
        lambda whole: office.changed(
            whole,
            "xl/drawings/_rels/drawing1.xml.rels",
            lambda xml: xml.replace(b"/xl/media/image1.png", b"http://127.0.0.1:9/a.png").replace(
                b"<Relationship ", b'<Relationship TargetMode="External" '
            ),
        )
    )
    found = document(source, linked)
    assert len(found.parts) == 1
    assert found.warnings == ("sheet Sheet: 1 picture outside of the file, not fetched",)
    gone = drawn(
        lambda whole: office.packed(
            {name: data for name, data in office.members_of(whole).items() if "media" not in name}
        )
    )
    assert "image1.png at Sheet!D5" in document(source, gone).warnings[0]


def test_text_boxes_and_sheets_that_are_one_chart(source):
    words = b"<xdr:sp><xdr:txBody><a:p><a:r><a:t>read</a:t></a:r><a:r><a:t> me</a:t></a:r></a:p></xdr:txBody>"
    made = drawn(
        lambda whole: office.changed(
            whole,
            "xl/drawings/drawing1.xml",
            lambda xml: (
                b'<xdr:wsDr xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" '
                b'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
                b'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
                b"<xdr:oneCellAnchor><xdr:from><xdr:col>1</xdr:col><xdr:row>2</xdr:row></xdr:from>"
                + words
                + b"</xdr:sp><mc:Fallback>"
                + words.replace(b"read", b"old")
                + b"</xdr:sp></mc:Fallback></xdr:oneCellAnchor></xdr:wsDr>"
            ),
        )
    )
    found = document(source, made)
    assert [(part.text, part.anchor.cell) for part in found.parts[1:]] == [
        ("text box: read me\n\n", "Sheet!B3")
    ]
    made = book(["a", 1], ["b", 2])
    chart = openpyxl.chart.BarChart()
    chart.add_data(openpyxl.chart.Reference(made.active, min_col=2, min_row=1, max_row=2))
    made.create_chartsheet("Drawn").add_chart(chart)
    found = document(source, office.saved(made))
    assert found.meta["sheets"] == ["Sheet", "Drawn"]
    assert found.warnings == ("sheet Drawn: a chart at Drawn!A1 is not read",)  # it has no stored values


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


def test_asides_of_an_opendocument_sheet(source):
    def cell(text, inside=""):
        return (
            f'<table:table-cell office:value-type="string">{inside}<text:p>{text}</text:p></table:table-cell>'
        )

    def frame(inside):
        return f'<draw:frame xmlns:xlink="http://www.w3.org/1999/xlink">{inside}</draw:frame>'

    note = (
        '<office:annotation><dc:creator xmlns:dc="http://purl.org/dc/elements/1.1/">Ann</dc:creator>'
        "<text:p>look</text:p><text:p>here</text:p></office:annotation>"
    )
    rows = (
        "<table:shapes>" + frame("<draw:text-box><text:p>boxed</text:p></draw:text-box>") + "</table:shapes>"
        '<table:table-column/><table:table-column table:visibility="collapse" '
        'table:number-columns-repeated="2"/><table:table-row>'
        + cell("a")
        + cell("b", note)
        + "</table:table-row>"
        + '<table:table-row table:visibility="filter" table:number-rows-repeated="3">'
        + cell("c", frame('<draw:image xlink:href="Pictures/a.png"/><svg:desc>red</svg:desc>'))
        + "</table:table-row><table:table-row>"
        + cell("d", frame('<draw:image xlink:href="http://127.0.0.1:9/a.png"/>'))
        + cell("", frame('<draw:object xlink:href="./Object 1"/>'))
        + "</table:table-row>"
    )
    whole = office.packed({**office.members_of(office.ods(rows)), "Pictures/a.png": office.png()})
    found = document(source, whole, ODS)
    assert [part.anchor.cell for part in found.parts] == ["Sheet!A1:B5", "Sheet!A1:B1", "Sheet!A2"]
    assert lines(found) == ["a | b", "c", "c", "c", "d"]
    assert found.parts[1].text == "A1: text box: boxed\nB1: comment by Ann: look here\n\n"
    assert found.parts[2].alt == "red"
    assert found.parts[2].pixels().size == (60, 40)
    assert found.warnings == (
        "sheet Sheet: 3 rows and 1 column are hidden or filtered out, but read",
        "sheet Sheet: 1 picture outside of the file, not fetched",
        "sheet Sheet: 1 embedded object (such as charts) not read",
    )


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
    office.outcomes(read, source, commented(), XLSX)
    office.outcomes(read, source, office.ods('<table:table-row><table:table-cell office:value-type="float" '
        'office:value="4"/></table:table-row>' * 30), ODS)  # fmt: skip
