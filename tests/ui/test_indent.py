"""JSON gets its lines while it comes, however it is cut."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from gemcli.ui.indent import Indenter

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(VALUES, st.integers(1, 7))
def test_it_is_what_json_indents_to(value: object, size: int) -> None:
    for text in (json.dumps(value), json.dumps(value, separators=(",", ":")), json.dumps(value, indent=1)):
        indenter = Indenter()
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert "".join(map(indenter.push, pieces)) == json.dumps(value, indent=2)


def test_each_piece_leaves_at_once() -> None:
    indenter = Indenter()
    assert [indenter.push(piece) for piece in ('{"a', '": [1', ", 2", "]}")] == [
        '{\n  "a',
        '": [\n    1',
        ",\n    2",
        "\n  ]\n}",
    ]
