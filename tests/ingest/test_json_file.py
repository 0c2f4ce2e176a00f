import json
import time

import pytest
from damaged import outcomes
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.ingest.json_file import read
from gemcli.ingest.json_layout import WIDTH, lay_out
from gemcli.ingest.ranges import parse
from gemcli.ingest.source import EmptyError, KindError, Source

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=8), inner, max_size=8),
    max_leaves=60,
)


def quiet(done, total):
    raise AssertionError("JSON has no progress")


def document(data, media_type="application/json", **options):
    return read(Source("a.json", None, media_type, data, **options), quiet)


def text(found):
    return "".join(part.text for part in found.parts)


@settings(deadline=None)
@given(VALUES)
def test_the_layout_changes_no_value(value):
    compact = json.dumps(value, separators=(",", ":"))
    laid_out = lay_out(compact)
    assert json.loads(laid_out) == value
    assert lay_out(laid_out) == laid_out


def test_the_layout_keeps_lines_short():
    value = {"numbers": list(range(300)), "deep": [[{"a": {"b": [1, 2, "x"]}}]] * 20}
    lines = lay_out(json.dumps(value)).split("\n")
    assert max(map(len, lines)) <= WIDTH + 10
    assert len(lines) < 60


@pytest.mark.parametrize(
    "bomb", ["[" * 300_000, '{"a":' * 200_000, '"' * 300_001, "\\" * 300_000, "[{}," * 200_000]
)
def test_depth_takes_neither_time_nor_the_stack(bomb):
    began = time.process_time()
    assert lay_out(bomb)
    found = document(bomb.encode())
    assert found.parts
    assert time.process_time() - began < 10


def test_sane_lines_stay_as_they_are():
    source = b'{\n   "a": 1,\n "b": [1,2]}\n'
    found = document(source)
    assert text(found) == source.decode()
    assert found.parts[0].anchor.lines == (1, 3)
    assert "laid_out" not in found.meta


def test_one_long_line_is_laid_out_and_said():
    found = document(json.dumps({"items": [{"name": f"n{n}", "size": n} for n in range(200)]}).encode())
    assert "laid_out" in found.meta
    assert len(found.parts) > 2
    assert found.meta["lines"] == 204
    chosen = document(json.dumps(list(range(1000))).encode(), selection=parse("2", "line"))
    assert text(chosen).startswith("  0, 1, 2,")


def test_invalid_json_is_text_and_the_line_is_named():
    found = document(b'{"a": 1,\n "b": oops}\n')
    assert text(found) == '{"a": 1,\n "b": oops}\n'
    assert found.warnings == ("is not valid JSON: line 2: expecting value; read as text",)


def test_json_lines():
    found = document(b'{"a":1}\n\n[2]\noops\n', "application/x-ndjson")
    assert found.meta["records"] == 3
    assert found.warnings == ("lines that are not valid JSON, read as text: 4 (1 in all)",)
    assert document(b'{"a":1}\n{"b":2}\n').meta["records"] == 2
    assert document(b'{"a":1}\n{"b":2}\n').warnings == ()


def test_large_numbers_are_no_fault():
    assert document(b"[" + b"9" * 10_000 + b"]").warnings == ()


def test_nothing_to_read():
    with pytest.raises(EmptyError):
        document(b"")
    with pytest.raises(EmptyError):
        document(b" \n")
    with pytest.raises(KindError):
        document(bytes(range(256)) * 20)


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
def test_damage(media_type):
    rows = [json.dumps({"n": n, "s": "ä" * n, "l": [1, {"x": None}]}) for n in range(30)]
    whole = ("[" + ",".join(rows) + "]" if media_type == "application/json" else "\n".join(rows)).encode()
    counts = outcomes(read, whole, media_type, words=(b"{", b"]", b'"', b"\\u12", b"\0", b"\n"))
    assert counts["read"] > 100
