import random

import pytest

from gemcli.errors import InputError, UsageError
from gemcli.ingest import delimited
from gemcli.ingest.delimited import Form, detect, read
from gemcli.ingest.ranges import parse
from gemcli.ingest.source import EmptyError


def document(source, data, media_type="text/csv", **options):
    data = data.encode() if isinstance(data, str) else data
    return read(source(data, media_type, **options), lambda done, total: None)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("a,b\n1,2\n", Form(",")),
        ("a;b\n1,5;2,5\n3,5;4,5\n", Form(";")),
        ("a\tb\n1,2\t3\n4\t5\n", Form("\t")),
        ("a|b|c\n1|2|3\n", Form("|")),
        ('"a, x";"b"\n"1,2";"3"\n"4";"5"\n', Form(";")),
        ("sep=;\na;b\n", Form(";", declared=True)),
        ("'a, b','c'\n'd','e, f'\n'g','h'\n", Form(",", "'")),
        ("It's, one\nthat's, two\n", Form(",")),
        ("only\none\ncolumn\n", Form(",")),
        ('name,note\nAnn,"a;b;c"\nBob,"d;e;f"\n', Form(",")),
    ],
)
def test_detect(text, form):
    assert detect(text) == form


def test_rows_with_their_cells(source):
    found = document(source, '\ufeffname;age;note\nAnn;3;"a;b\nc"\n\nBob;4,5;\n')
    (part,) = found.parts
    assert part.text == "name | age | note\nAnn | 3 | a;b<br>c\n\nBob | 4,5\n\n"
    assert part.anchor.cell == "A1:C4"
    assert part.heading == "name | age | note"
    assert found.meta == {"rows": 4, "columns": 3, "encoding": "utf-8", "delimiter": ";"}
    assert found.warnings == ()


def test_blocks_carry_the_names_of_the_columns(source):
    text = "id,city\n" + "".join(f"{at},Town {at}\n" for at in range(1, 120))
    found = document(source, text)
    assert [part.anchor.cell for part in found.parts] == ["A1:B50", "A51:B100", "A101:B120"]
    assert found.parts[2].heading == "id | city"
    some = document(source, text, selection=parse("60-61", "line"))
    assert [(part.anchor.cell, part.text, part.heading) for part in some.parts] == [
        ("A60:B61", "59 | Town 59\n60 | Town 60\n\n", "id | city")
    ]
    with pytest.raises(UsageError, match="rows, not pages"):
        document(source, text, selection=parse("1", "page"))


def test_other_encodings(source):
    found = document(source, "Stadt;Größe\nKöln;groß\nZürich;größer\nMünchen;schön\n".encode("cp1252"))
    assert "Köln | groß" in found.parts[0].text
    assert "is not UTF-8" in found.warnings[0]
    wide = document(source, "a\tb\n1\t2\n".encode("utf-16"), "text/tab-separated-values")
    assert wide.parts[0].text == "a | b\n1 | 2\n\n"


def test_what_is_odd_is_told(source):
    uneven = document(source, "a,b\n1,2\n3\n4,5,6\n7,8\n")
    assert uneven.warnings == (
        "rows differ in their number of values: 2 of 5 have not 2, the first of them row 3",
    )
    open_quote = document(source, 'a,b\n1,"2\n3,4\n5,6\n')
    assert "never ends" in open_quote.warnings[0]
    assert open_quote.parts[0].text == 'a | b\n1 | "2\n3 | 4\n5 | 6\n\n'


def test_bad_tables(source, monkeypatch):
    for data in ("", ",,,\n;;\n", "\n\n"):
        with pytest.raises(EmptyError):
            document(source, data)
    with pytest.raises(InputError, match="no text"):
        document(source, random.Random(1).randbytes(3000))
    monkeypatch.setattr(delimited, "MAX_CELLS", 10)
    with pytest.raises(InputError, match="more than 10 values; they are reached in row 6"):
        document(source, "1,2\n" * 20)
    monkeypatch.setattr(delimited, "MAX_BYTES", 1 << 20)
    with pytest.raises(InputError, match="more than 1 MiB"):
        document(source, "1,2\n" * 500_000)


def test_damage_never_gets_through(source):
    whole = ('id,"city, state",note\n' + '1,"Bonn, NRW","said ""yes"""\n2,Köln,\n' * 20).encode()
    counts = {"read": 0, "refused": 0}
    for seed in range(300):
        generator = random.Random(seed)
        data = bytearray(whole)
        for _ in range(generator.choice([1, 5, 50])):
            data[generator.randrange(len(data))] = generator.choice([*b'",\n;\t\0', generator.randrange(256)])
        try:
            assert document(source, bytes(data)).parts
            counts["read"] += 1
        except InputError:
            counts["refused"] += 1
    assert counts["read"] > 100
    assert counts["read"] + counts["refused"] == 300
