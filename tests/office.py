"""Writers of small Office and OpenDocument files, good and bad, for the tests."""

import io
import random
import zipfile

import docx
import openpyxl
from PIL import Image
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from gemcli.errors import GemcliError

ODF = "application/vnd.oasis.opendocument."
_SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        **{name: name for name in ("office", "text", "table", "style", "presentation")},
        "draw": "drawing",
        "svg": "svg-compatible",
    }.items()
)


def png(color="red", size=(60, 40)):
    stream = io.BytesIO()
    Image.new("RGB", size, color).save(stream, "PNG")
    return stream.getvalue()


def saved(document):
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def packed(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(data, member, change):
    """A zip with one member put through `change`."""
    members = members_of(data)
    members[member] = change(members[member])
    return packed(members)


def word():
    document = docx.Document()
    document.add_heading("Report", 0)
    document.add_heading("Intro", 1)
    document.add_paragraph("Before the picture")
    document.add_picture(io.BytesIO(png()))
    document.add_paragraph("After the picture")
    for text in ("one", "two"):
        document.add_paragraph(text, style="List Number")
    document.add_heading("Sub", 2)
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, ("a|b", "head", "x\ny", "z"), strict=True):
        cell.text = text
    commented = document.add_paragraph("Commented words")
    document.add_comment(commented.runs, text="please check", author="Ann")
    document.sections[0].header.paragraphs[0].text = "ACME"
    document.sections[0].footer.paragraphs[0].text = "Page 1"
    return saved(document)


def deck():
    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "First"
    frame = slide.placeholders[1].text_frame
    frame.text = "point"
    below = frame.add_paragraph()
    below.text = "detail"
    below.level = 1
    slide.notes_slide.notes_text_frame.text = "say this"
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Second"
    data = CategoryChartData()
    data.categories = ["Q1", "Q2"]
    data.add_series("North", (1.1, 0.1 + 0.2))
    kind = XL_CHART_TYPE.COLUMN_CLUSTERED
    slide.shapes.add_chart(kind, Inches(1), Inches(5), Inches(4), Inches(2), data)
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for at, text in enumerate("abcd"):
        table.cell(at // 2, at % 2).text = text
    slide.shapes.add_picture(io.BytesIO(png()), Inches(5), Inches(1))
    for left, text in ((5, "right"), (1, "left")):
        group = slide.shapes.add_group_shape()
        box = group.shapes.add_textbox(Inches(left), Inches(4), Inches(1), Inches(0.5))
        box.text_frame.text = text
    return saved(deck)


def workbook():
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Sales 2024"
    sheet.append(["Region", "Amount", "Share"])
    for at in range(1, 121):
        sheet.append([f"R{at}", at + 0.1 + 0.2, at / 200])
        sheet.cell(at + 1, 3).number_format = "0.0%"
    book.create_sheet("Aside").sheet_state = "hidden"
    book["Aside"]["C5"] = "secret"
    return saved(book)


def odf(kind, body, styles="", **members):
    content = (
        f'<office:document-content {_SPACES} xmlns:xlink="http://www.w3.org/1999/xlink">'
        f"<office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    return packed({"mimetype": f"{ODF}{kind}", "content.xml": content, **members})


def odt():
    return odf(
        "text",
        '<text:h text:outline-level="1">Chapter</text:h><text:p>Some<text:s text:c="2"/>words'
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>below</text:p>"
        "</text:note-body></text:note></text:p>"
        '<text:p><draw:frame><draw:image xlink:href="Pictures/a.png"/>'
        "<svg:desc>red</svg:desc></draw:frame></text:p>"
        "<text:list><text:list-item><text:p>item</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table>",
        **{"Pictures/a.png": png()},
    )


def odp():
    pages = "".join(
        f'<draw:page><draw:frame svg:y="5cm"><draw:text-box><text:p>body {at}</text:p>'
        "</draw:text-box></draw:frame>"
        f'<draw:frame presentation:class="title" svg:y="1cm"><draw:text-box><text:p>Title {at}</text:p>'
        "</draw:text-box></draw:frame><presentation:notes>"
        '<draw:frame presentation:class="notes"><draw:text-box><text:p>aside</text:p>'
        "</draw:text-box></draw:frame>"
        "</presentation:notes></draw:page>"
        for at in (1, 2, 3)
    )
    return odf("presentation", pages)


def ods(rows, name="Sheet"):
    return odf("spreadsheet", f'<table:table table:name="{name}">{rows}</table:table>')


def damaged(whole, seed):
    """A variant: bytes changed or cut in the file, or in a member that is then packed anew."""
    generator = random.Random(seed)
    inside = seed % 3 > 0
    members = members_of(whole) if inside else {"": whole}
    name = generator.choice(sorted(members, key=lambda name: (not name.endswith(".xml"), name))[:12])
    data = bytearray(members[name])
    for _ in range(generator.choice([1, 3, 10])):
        at = generator.randrange(len(data))
        kind = generator.randrange(4)
        if kind == 0:
            data[at] = generator.randrange(256)
        elif kind == 1:
            del data[at : at + generator.randrange(1, 60)]
        elif kind == 2:
            other = generator.randrange(len(data))
            data[at:at] = data[other : other + generator.randrange(1, 80)]
        else:
            digits = [place for place in range(at, min(at + 200, len(data))) if data[place] in b"0123456789"]
            for place in digits[:3]:
                data[place] = generator.choice(b"0123456789-")
        if len(data) < 2:
            break
    if seed % 10 == 0:
        del data[generator.randrange(len(data)) :]
    return packed({**members, name: bytes(data)}) if inside else bytes(data)


def outcomes(read, source, whole, media_type, variants=150):
    """How many damaged variants were read, and how many were refused with exit code 3."""
    counts = {"read": 0, "refused": 0}
    for seed in range(variants):
        try:
            document = read(source(damaged(whole, seed), media_type), lambda done, total: None)
        except GemcliError as error:
            counts["refused" if error.exit_code == 3 else f"exit {error.exit_code} of {seed}"] = (
                counts["refused"] + 1
            )
            continue
        assert document.parts
        counts["read"] += 1
    assert counts.keys() == {"read", "refused"}
    assert counts["read"] > variants // 10
    assert counts["refused"] > variants // 10
    return counts
