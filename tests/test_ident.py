"""Names of conversations sort by time and do not repeat."""

import time

from gemcli.ident import new_id


def test_ids_are_ulids_in_order():
    first = new_id()
    time.sleep(0.002)
    second = new_id()
    assert len(first) == 26
    assert set(first) <= set("0123456789abcdefghjkmnpqrstvwxyz")
    assert first < second


def test_ids_do_not_repeat():
    assert len({new_id() for _ in range(1000)}) == 1000


def test_the_time_is_in_it():
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    milliseconds = 0
    for letter in new_id()[:10]:
        milliseconds = milliseconds * 32 + alphabet.index(letter)
    assert abs(milliseconds / 1000 - time.time()) < 5
