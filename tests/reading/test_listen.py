"""An answer is taken to its end, unless it turns in circles."""

import pytest

from gemcli.reading.listen import Said, circles, listen


class Answer:
    """Pieces, and how they end; notes that it was closed."""

    def __init__(self, pieces, finish="stop"):
        self._pieces = iter(pieces)
        self.finish_reason = None
        self._finish = finish
        self.closed = False
        self.taken = 0

    def __iter__(self):
        return self

    def __next__(self):
        try:
            piece = next(self._pieces)
        except StopIteration:
            self.finish_reason = self._finish
            raise
        self.taken += 1
        return piece

    def close(self):
        self.closed = True


@pytest.mark.parametrize(("finish", "cut"), [("stop", False), ("length", True)])
def test_all_of_it_is_heard(finish, cut):
    answer, heard = Answer(["- a", " b\n", "- c"], finish), []
    assert listen(answer, lambda: heard.append(1)) == Said("- a b\n- c", cut)
    assert len(heard) == 3
    assert answer.closed


@pytest.mark.parametrize("piece", ["- the same line\n", "and so on "])
def test_a_circle_ends_it_and_is_no_cut(piece):
    answer = Answer([piece] * 1000, "length")
    said = listen(answer, lambda: None)
    assert not said.cut
    assert answer.taken < 20
    assert answer.closed


def test_what_is_no_circle():
    assert not circles("- one\n- two\n- one\n\n\n\n\n- three")
    assert not circles("a " * 4)
    assert not circles("-" * 60)
    assert circles("-" * 200)
    assert not circles("")
    assert circles("- one\n- two\n- One.\n- three\n- one\n")


def test_who_stops_listening_closes_the_answer():
    answer = Answer(["a"] * 10)

    def gone():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        listen(answer, gone)
    assert answer.closed
