"""Turns go in with all that they showed, and come out of it whole, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from kept import picture, record, seen, sound, text_document

from gemcli.errors import GemcliError, InputError, UsageError
from gemcli.history import database, look, media, store
from gemcli.parts import Document


def add(told, *turns):
    store.append([(turn, ()) for turn in turns], told)


def files():
    folder = media.media_folder()
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_turn_comes_back(told):
    document = Document("t.pdf", "application/pdf", "1" * 64, (picture(), sound()), ("lost",), {"pages": 2})
    turn = record(system="Be.", options={"seed": 3}, details={"usage": {"x": 1}}, sources=("t.pdf", "a.md"))
    store.append([(turn, seen(document, text_document()))], told)
    (found,) = look.records("c1", told)
    assert found == turn.__class__(
        **{name: getattr(turn, name) for name in turn.__slots__} | {"id": found.id}
    )
    one, other = (each.document for each in look.shown([found], told)[found.id])
    assert (one, other) == (document, text_document())
    assert np.array_equal(np.asarray(one.parts[0].pixels()), np.asarray(picture().pixels()))
    heard, said = (np.concatenate(list(each.samples())) for each in (one.parts[1], sound()))
    assert heard.shape == said.shape
    assert np.abs(heard - said).max() <= 1 / (1 << 15), "but for the rounding to 16 bits"
    assert told == []


def test_pictures_are_kept_once(told):
    made = []

    def counted(part):
        pixels = part.pixels
        object.__setattr__(part, "pixels", lambda: (made.append(part), pixels())[1])
        return part

    first = Document("a.png", "image/png", "1", (counted(picture(key="one")), counted(picture(key="two"))))
    store.append([(record(), seen(first))], told)
    assert len(files()) == 1, "the same pixels"
    assert len(made) == 2
    again = Document("b.png", "image/png", "1", (counted(picture(key="one")),))
    store.append([(record("c2"), seen(again))], told)
    assert len(made) == 2, "known by what it is made from: not even decoded"
    nameless = Document("c.png", "image/png", "1", (counted(picture(key="")),))
    store.append([(record("c3"), seen(nameless))], told)
    assert (len(made), len(files())) == (3, 1)


def test_what_cannot_be_decoded_leaves_nothing(told):
    broken = Document("p.png", "image/png", "1", (picture(), picture(key="b", broken=True)))
    with pytest.raises(InputError, match="damaged"):
        store.append([(record(), seen(broken))], told)
    assert look.headings(told) == []
    assert files() == []


def test_a_picture_that_is_gone_says_so(told):
    document = Document("p.png", "image/png", "1", (picture(), sound()))
    store.append([(record(), seen(document))], told)
    for name in files():
        media.place(name).write_bytes(b"x" * 99)
    (found,) = look.records("c1", told)
    parts = look.shown([found], told)[found.id][0].document.parts
    with pytest.raises(InputError, match=r"p\.png: a picture of this conversation is missing or damaged"):
        parts[0].pixels()
    with pytest.raises(InputError, match=r"p\.png: a sound of this conversation is missing or damaged"):
        list(parts[1].samples())


def test_the_newest_can_go_on(told):
    assert look.newest(told) is None
    add(told, record("old", at=1), record("new", at=3), record("middle", at=2))
    assert look.newest(told) == "new"
    add(told, record("old", at=4))
    assert look.newest(told) == "old"
    add(told, record("failed", at=5, ending="error"), record("empty", at=6, ending="interrupt", answer=" "))
    add(told, record("shown", at=7, kind="example"))
    assert look.newest(told) == "old"
    add(told, record("half", at=8, ending="interrupt"))
    assert look.newest(told) == "half"


def test_an_id_is_found_by_its_beginning_or_end(told):
    add(told, record("01aaa1"), record("01aab2"), record("02xxx1"))
    assert [look.find(word, told) for word in ("01aaa", "02", "2", "01AAB", "01aaa1")] == [
        "01aaa1", "02xxx1", "01aab2", "01aab2", "01aaa1",
    ]  # fmt: skip
    for word, why in [
        ("01", "several"),
        ("1", "several"),
        ("zz", "there is no"),
        ("a*", "is no"),
        ("", "is no"),
    ]:
        with pytest.raises(UsageError, match=why):
            look.find(word, told)


def test_a_whole_id_wins_over_one_that_goes_on(told):
    add(told, record("01aa"), record("01aab"))
    assert look.find("01aa", told) == "01aa"


def test_headings(told):
    add(told, record("a", at=1, sources=("x", "y")), record("a", at=5, question="And?", sources=("y", "z")))
    add(
        told,
        record("b", at=3, question="Ex", kind="example"),
        record("b", at=3, question="Real", ending="length"),
    )
    first, second = look.headings(told)
    assert (first.id, first.begun, first.last, first.turns, first.question) == ("a", 1, 5, 2, "What?")
    assert first.sources == ("x", "y", "z")
    assert (second.id, second.turns, second.question, second.ending) == ("b", 1, "Real", "length")
    assert look.headings(told, most=1) == [first]


def test_removing_leaves_what_others_hold(told):
    shared = Document("s.png", "image/png", "1", (picture(0, "shared"),))
    alone = Document("o.png", "image/png", "2", (picture(1, "alone"), sound()))
    store.append([(record("a", answer="sesame"), seen(shared, alone))], told)
    store.append([(record("b"), seen(shared))], told)
    assert len(look.search("sesame", told)) == 1
    assert len(files()) == 3
    store.remove(["a"], told)
    assert [each.id for each in look.headings(told)] == ["b"]
    assert len(files()) == 1
    (kept,) = look.records("b", told)
    assert look.shown([kept], told)[kept.id][0].document.parts[0].pixels().size == (40, 30)
    left = b"".join(path.read_bytes() for path in database.folder().glob("history.db*"))
    assert b"sesame" not in left, "nothing of it stays in the files"
    store.remove(["b"], told)
    assert files() == []


def test_damage_inside_a_document(told):
    store.append([(record(), seen(text_document()))], told)
    database.work(lambda connection: connection.execute("UPDATE documents SET body = x'00'").close(), told)
    with pytest.raises(GemcliError, match="kept of a document is damaged"):
        look.shown(look.records("c1", told), told)


@pytest.mark.parametrize("damage", ["{bad", "", "[1]", "x'ff'"])
def test_damage_beside_an_answer_does_not_hide_it(told, damage):
    add(told, record("a", answer="apple", options={"seed": 3}))
    value = damage if damage.startswith("x'") else f"'{damage}'"
    change = f"UPDATE turns SET options = {value}, details = {value}"
    database.work(lambda connection: connection.execute(change).close(), told)
    (found,) = look.records("a", told)
    assert (found.answer, found.options, found.details) == ("apple", {}, {})


def test_words_are_found(told):
    add(
        told,
        record("a", question="Wo liegt das Café?", answer="In Köln."),
        record("b", question="日本語の質問", answer='He said "no", OR so'),
        record("c", answer="100% sure", sources=("notes/plan_b.md",)),
        record("d", question="café café", answer="Café!", kind="example"),
    )
    expected = {
        "cafe": "a", "koln": "a", "lieg": "a", "café in": "a", "語の": "b", '"said': "b", "OR": "b",
        "no OR": "b", "100%": "c", "plan_b.md": "c", "lan_b": "c", "missing": "", "cafe missing": "",
        "%": "c", "   ": "", "*": "", '"': "b",
    }  # fmt: skip
    found = {words: {each.conversation for each in look.search(words, told)} for words in expected}
    assert found == {words: set(ids) for words, ids in expected.items()}


def test_words_are_found_after_more_was_asked_and_some_removed(told):
    add(told, record("a", answer="apple"))
    assert len(look.search("apple", told)) == 1
    add(told, record("b", answer="apple pie"), record("c", answer="apple juice"))
    assert len(look.search("apple", told)) == 3
    assert len(look.search("apple", told, most=2)) == 2
    store.remove(["b"], told)
    assert {each.conversation for each in look.search("apple", told)} == {"a", "c"}


def test_words_are_found_without_an_index(told, monkeypatch):
    from gemcli.history import index

    add(told, record("a", answer="apple"), record("b", answer="pear"))
    assert len(look.search("apple", told)) == 1
    monkeypatch.setattr(index, "_MAKE", "CREATE VIRTUAL TABLE turns_other USING no_such_module(x)")
    assert [each.conversation for each in look.search("appl", told)] == ["a"]


def test_a_damaged_index_is_made_anew(told):
    add(told, record("a", answer="apple"))
    assert len(look.search("apple", told)) == 1
    database.work(lambda each: each.execute("UPDATE turns_index_data SET block = x'ff00ff'").close(), told)
    assert [each.conversation for each in look.search("apple", told)] == ["a"]
    assert [each.conversation for each in look.search("appl", told)] == ["a"]
    assert told == []


def test_removing_with_a_damaged_index_takes_that_conversation_alone(told):
    add(told, record("a", answer="sesame"), record("b", answer="apple"))
    assert len(look.search("apple", told)) == 1
    database.work(lambda each: each.execute("UPDATE turns_index_data SET block = x'ff00ff'").close(), told)
    assert store.remove(["a", "none"], told) == ["a"]
    assert (told, list(database.folder().glob("damaged-*"))) == ([], [])
    assert [each.id for each in look.headings(told)] == ["b"]
    assert [each.conversation for each in look.search("apple", told)] == ["b"]
    left = b"".join(path.read_bytes() for path in database.folder().glob("history.db*"))
    assert b"sesame" not in left


def test_nothing_is_said_to_be_removed_of_a_damaged_one(told):
    add(told, record("a"))
    data = database.path().read_bytes()
    database.path().write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    assert store.remove(["a"], told) == []
    assert "was damaged" in told[0]
