import codecs
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.ingest.decode import Decoded, UndecodableError, decode, decode_named, looks_like_text
from gemcli.ingest.kinds import BINARY, kind_name
from gemcli.ingest.source import KindError

GERMAN = "Der Fluß überquert die Brücke, so schön ist es; müde Männer grüßen höflich. " * 5
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему. " * 3
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n" * 4
CHINESE = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。\n" * 3
KOREAN = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.\n" * 3

printable = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Co"), whitelist_characters="\n\t"))


@settings(deadline=None)
@given(printable)
def test_utf8_is_read_exactly(text):
    assert decode(text.encode()).text == text


@settings(deadline=None)
@given(printable, st.sampled_from(["utf-8-sig", "utf-16", "utf-32"]))
def test_a_byte_order_mark_decides(text, encoding):
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert decoded.warning is None


@settings(deadline=None)
@given(printable, st.sampled_from(["\r\n", "\r"]))
def test_line_ends_become_one(text, end):
    lines = text.replace("\r", "").split("\n")
    assert decode(end.join(lines).encode()).text == "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (GERMAN, "cp437"),
        (GERMAN, "mac-roman"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "utf-16-be"),
        (GERMAN, "utf-32-le"),
        (GERMAN, "utf-32-be"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp866"),
        (RUSSIAN, "utf-16-le"),
        (RUSSIAN, "utf-16-be"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc-jp"),
        (JAPANESE, "iso2022_jp"),
        (JAPANESE, "utf-16-le"),
        (JAPANESE, "utf-16-be"),
        (CHINESE, "gb18030"),
        (CHINESE, "big5hkscs"),
        (KOREAN, "euc-kr"),
        ("naïve café", "cp1252"),
        ("señor Núñez llegó mañana", "cp1252"),
        ("Résumé: € 5", "cp1252"),
        ("Zażółć gęślą jaźń, proszę bardzo", "cp1250"),
    ],
)
def test_other_encodings_are_found_and_said(text, encoding):
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        text = "".join(char for char in text if char.encode(encoding, "ignore"))
        data = text.encode(encoding)
    decoded = decode(data)
    assert decoded.text == text
    assert "guess" in decoded.warning


@pytest.mark.parametrize(
    "data",
    [
        '<?xml version="1.0" encoding="ISO-8859-2"?><a>Łódź</a>'.encode("iso8859-2"),
        '<html><meta charset="iso-8859-2"><p>Łódź'.encode("iso8859-2"),
        "# -*- coding: iso-8859-2 -*-\nx = 'Łódź'\n".encode("iso8859-2"),
    ],
)
def test_a_declared_encoding_is_believed(data):
    decoded = decode(data)
    assert "Łódź" in decoded.text
    assert decoded.warning is None


def test_a_declaration_is_not_believed_against_the_bytes():
    assert decode("<meta charset=iso-8859-1>Łódź".encode()).text.endswith("Łódź")


def test_utf8_that_was_cut_or_hurt_stays_utf8():
    cut = decode(GERMAN.encode()[: GERMAN.encode().index("ß".encode()) + 1])
    assert cut.text == "Der Flu�" or cut.text.startswith("Der Flu")
    hurt = decode((GERMAN * 4).encode() + b"\xff\n" + GERMAN.encode())
    assert hurt.encoding == "utf-8"
    assert "1 character is not valid UTF-8" in hurt.warning
    assert hurt.text.count("�") == 1


def test_odd_but_textual_characters_pass():
    colours = "\x1b[31mred\x1b[0m\tover\b\bstruck\f\n" * 3
    assert decode(colours.encode()).text == colours


@pytest.mark.parametrize("size", [100, 1_000, 100_000])
def test_junk_is_no_text(size):
    generator = random.Random(size)
    for _ in range(20):
        junk = generator.randbytes(size)
        with pytest.raises(UndecodableError):
            decode(junk)


def test_junk_under_a_name_is_told_with_it():
    with pytest.raises(KindError, match=r"^a\.txt is no text: its bytes make none") as caught:
        decode_named("a.txt", bytes(range(256)) * 40)
    assert caught.value.kind == kind_name(BINARY)
    assert decode_named("a.txt", b"words") == decode(b"words")
    assert decode_named("a.txt", b"words", lambda data: Decoded(data.decode()[::-1], "x")).text == "sdrow"


def test_zero_bytes_in_text_are_junk():
    with pytest.raises(UndecodableError):
        decode(b"a few words\0\0\0\x01\x02" * 100)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_whatever_is_decoded_is_clean_unicode(data):
    try:
        decoded = decode(data)
    except UndecodableError:
        return
    decoded.text.encode("utf-8")
    codecs.lookup(decoded.encoding)
    assert "\r" not in decoded.text
    assert looks_like_text(data)


@settings(deadline=None)
@given(printable, st.sampled_from(["utf-8", "utf-16", "utf-32"]), st.integers(100, 2_000))
def test_the_head_of_a_text_looks_like_text(text, encoding, size):
    assert looks_like_text((text * 20).encode(encoding)[:size])
