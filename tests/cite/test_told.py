"""What a conversation was shown can be quoted as long as it goes on."""

from __future__ import annotations

from gemcli.cite.quote import told
from gemcli.parts import Anchor, Document, Text
from gemcli.turns import Turn

ONE, TWO, THREE = (Text(f"Text {number}.", Anchor(page=number)) for number in (1, 2, 3))


def document(name: str, *parts: Text) -> Document:
    return Document(name, "text/plain", "0" * 64, parts)


def test_a_document_once_with_all_of_it_that_was_shown() -> None:
    earlier = (
        Turn("One?", "Yes.", (document("a.pdf", ONE, TWO), document("b.pdf", TWO))),
        Turn("Two?", "Yes."),
        Turn("Three?", "Yes.", (document("a.pdf", TWO, THREE),)),
    )
    found = told(earlier, (document("c.pdf", ONE), document("a.pdf", ONE)))
    assert [(each.source, each.parts) for each in found] == [
        ("a.pdf", (ONE, TWO, THREE)),
        ("b.pdf", (TWO,)),
        ("c.pdf", (ONE,)),
    ]
    assert told((), ()) == []
