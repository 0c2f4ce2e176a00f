"""Documents come back as they were sent."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemcli.history.documents import pack, unpack
from gemcli.parts import Anchor, Audio, Document, Image, Text

anchors = st.one_of(
    st.just(Anchor()),
    st.builds(lambda page: Anchor(page=page), st.integers(1, 999)),
    st.builds(lambda a, b: Anchor(lines=(a, b)), st.integers(1, 9), st.integers(9, 99)),
    st.builds(lambda a: Anchor(seconds=(a, a + 1.5)), st.floats(0, 1e4)),
    st.builds(lambda cell: Anchor(cell=cell), st.text(min_size=1)),
)
parts = st.one_of(
    st.builds(Text, st.text(), anchors, st.text(), st.sampled_from(["", "ocr", "speech", "note"])),
    st.builds(
        Image,
        st.integers(1, 99), st.integers(1, 99), st.just(len), anchors, st.text(), st.text(),
        st.sampled_from(["picture", "page", "frame"]), st.none() | st.integers(1, 99),
    ),
    st.builds(Audio, st.floats(0, 99), st.just(len), anchors, st.text()),
)  # fmt: skip
documents = st.builds(
    Document,
    st.text(), st.text(), st.just("0" * 64), st.lists(parts, max_size=4).map(tuple),
    st.lists(st.text()).map(tuple), st.dictionaries(st.text(), st.integers() | st.text()),
)  # fmt: skip


@given(documents)
def test_any_document(document):
    hash, body = pack(document, lambda part: f"{part.key}.bin")
    assert unpack(body) == document
    assert pack(unpack(body), lambda part: f"{part.key}.bin") == (hash, body)


def test_the_hash_is_of_what_it_says():
    one, same, other = (Document("a", "t", "0", (Text(text),)) for text in ("x", "x", "y"))
    hashes = [pack(each, str)[0] for each in (one, same, other)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_text_that_is_no_unicode():
    document = Document("a\udcff", "t", "0", (Text("\ud800"),))
    assert unpack(pack(document, str)[1]) == document


def test_what_another_version_knows_is_passed_over():
    _, body = pack(Document("a", "t", "0", (Text("x"),)), str)
    value = json.loads(zlib.decompress(body))
    value["parts"][0] |= {"mood": "gay", "anchor": {"page": 3, "verse": 4}}
    found = unpack(zlib.compress(json.dumps(value).encode()))
    assert found.parts == (Text("x", Anchor(page=3)),)


@pytest.mark.parametrize("body", [b"", b"x", zlib.compress(b"{}"), zlib.compress(b'{"parts": [{}]}')])
def test_damage_is_a_value_error(body):
    with pytest.raises(ValueError, match=r"no document|Expecting|invalid"):
        unpack(body)
