import pytest

from gemcli.errors import InputError
from gemcli.ingest import safe_xml
from gemcli.ingest.safe_xml import children, members, parse

W = 'xmlns:q="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
STRICT = 'xmlns="http://purl.oclc.org/ooxml/wordprocessingml/main"'


def test_names_are_those_of_the_specifications():
    for data in (f'<q:p {W} q:val="1"><q:t>a</q:t>b</q:p>', f'<p {STRICT} val="1"><t>a</t>b</p>'):
        root = parse(data.encode(), "x")
        assert root.tag == "w.p"
        assert root.findtext("w.t") == "a"
        assert root[0].tail == "b"


def test_children_are_handed_on_and_not_kept():
    data = f"<q:a {W}><q:body>" + "<q:p>x<q:p/></q:p>" * 3 + "</q:body></q:a>"
    found = list(children([data[:70].encode(), data[70:].encode()], "w.body", "x"))
    assert [(item.tag, item.text, len(item)) for item in found] == [("w.p", "x", 1)] * 3


def test_members_know_their_container():
    data = b'<a><t n="1"><g><r>1</r></g><r>2</r></t><t n="2"><r>3<r/></r></t><r/></a>'
    assert [(table.get("n"), row.text) for table, row in members([data], ("t",), ("r",), "x")] == [
        ("1", "1"),
        ("1", "2"),
        ("2", "3"),
    ]


def test_what_came_before_a_fault_is_handed_on():
    found = children([b"<a><b/><b/><c", b"<<"], "a", "x")
    assert next(found).tag == "b"
    assert next(found).tag == "b"
    with pytest.raises(InputError, match="x is damaged"):
        next(found)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is damaged"),
        (b"<a>", "is damaged"),
        (b"<a/><b/>", "is damaged"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "is damaged"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (b"<a>" * 300 + b"</a>" * 300, "nests deeper"),
        (b'<a b="' + b"c" * (20 << 20) + b'"/>', "many megabytes"),
        (b"<a>" + b"c" * (80 << 20) + b"</a>", "many megabytes"),
    ],
)
def test_what_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        parse(data, "x")


def test_elements_are_counted(monkeypatch):
    monkeypatch.setattr(safe_xml, "MAX_ELEMENTS", 10)
    with pytest.raises(InputError, match="too many elements"):
        parse(b"<a>" + b"<b/>" * 10 + b"</a>", "x")
    assert len(list(children([b"<a>" + b"<b><c/></b>" * 50 + b"</a>"], "a", "x"))) == 50
