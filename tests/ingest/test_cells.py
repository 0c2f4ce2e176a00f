import pytest

from gemcli.ingest.cells import cell_range, column_name, column_number, number_text, read_format, shown


def test_columns():
    assert [column_name(number) for number in (1, 26, 27, 702, 703, 16384)] == [
        "A", "Z", "AA", "ZZ", "AAA", "XFD",
    ]  # fmt: skip
    assert all(column_number(column_name(number)) == number for number in range(1, 16385, 7))
    assert column_number("a1") == 0


def test_ranges():
    assert cell_range("Sheet1", (1, 1), (20, 6)) == "Sheet1!A1:F20"
    assert cell_range("Bob's data", (3, 2), (3, 2)) == "'Bob''s data'!B3"
    assert cell_range("", (1, 1), (2, 2)) == "A1:B2"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (3.0, "3"),
        (-2.5, "-2.5"),
        (1e15, "1000000000000000"),
        (1e-5, "0.00001"),
        (1e300, "1e+300"),
    ],
)
def test_numbers(value, text):
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("General", 45351.0, "45351"),
        ("yyyy-mm-dd", 45351.0, "2024-02-29"),
        ("m/d/yy h:mm", 45351.5, "2024-02-29 12:00:00"),
        ("h:mm AM/PM", 0.75, "18:00:00"),
        ("[h]:mm", 1.25, "30:00:00"),
        ("mmm", 1.0, "1900-01-01"),
        ('"day" 0', 5.0, "5"),
        ("0.00%", 0.1234, "12.34%"),
        ("#,##0.00 [$€-1]", 1234.5, "1234.5 €"),
        ('"$"#,##0', 7.0, "$7"),
        ("[Red]-0.0", 2.5, "2.5"),
        ("yyyy", 1e9, "1000000000"),
    ],
)
def test_formats(code, value, text):
    assert shown(value, read_format(code)) == text
