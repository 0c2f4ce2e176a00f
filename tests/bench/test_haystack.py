"""Text of any length: the same tokens every time, from files or from what Python carries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scripted

from gemcli.bench.haystack import STANDING, Haystack, haystack, standing_texts
from gemcli.errors import InputError, UsageError

TOKENIZER = scripted.ByteTokenizer()


def hay(*texts: str, seen: list[str] | None = None) -> Haystack:
    def give() -> Iterator[str]:
        for text in texts:
            if seen is not None:
                seen.append(text)
            yield text

    return Haystack(TOKENIZER, give, "a text")


def said(ids: np.ndarray | list[int]) -> str:
    return TOKENIZER.decode([int(each) for each in ids])


def test_no_more_is_read_than_is_needed() -> None:
    seen: list[str] = []
    text = hay("one ", "two ", "three", seen=seen)
    assert said(text.take(6)) == "one tw"
    assert seen == ["one ", "two "]
    assert text.size is None
    assert text.take(6).dtype == np.int32


def test_it_begins_anew_where_it_ends() -> None:
    text = hay("abc")
    assert said(text.take(8)) == "abcabcab"
    assert text.size == 3
    assert said(text.take(2)) == "ab"


def test_once_is_without_repetition() -> None:
    assert said(hay("abcdef").once(None, 4)) == "abcd"
    assert said(hay("abc").once(None, 4)) == "abc"
    assert said(hay("abc").once(3, 100)) == "abc"
    with pytest.raises(UsageError, match="a text has 3 tokens, and 4 are wanted"):
        hay("abc").once(4, 100)


def test_a_text_without_text() -> None:
    with pytest.raises(UsageError, match="no text"):
        hay("").take(1)


def test_places_between_lines() -> None:
    text = hay("first\nsecond\nthird" + "x" * 200)
    assert text.between_lines(6) == 6
    assert text.between_lines(12) == 6
    assert text.between_lines(15) == 13
    assert text.between_lines(3) == 0, "the beginning begins a line"
    assert text.between_lines(150) == 150, "there is none near"
    assert text.between_lines(0) == 0


def test_texts_are_told_apart_by_what_is_used_of_them() -> None:
    assert hay("abcd").digest(3) == hay("abce").digest(3)
    assert hay("abcd").digest(4) != hay("abce").digest(4)


def test_files_are_read_as_every_command_reads_them(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Some text.\n")
    (tmp_path / "b.html").write_text("<p>More <b>text</b>.</p>")
    names = [str(tmp_path / "a.txt"), str(tmp_path / "b.html")]
    text = haystack(TOKENIZER, names, lambda event: None)
    assert text.name == "2 files"
    found = said(text.take(40))
    assert "Some text." in found
    assert "<b>" not in found
    with pytest.raises(InputError):
        haystack(TOKENIZER, [str(tmp_path / "none.txt")], lambda event: None)


def test_the_text_of_python_is_long_enough() -> None:
    assert haystack(TOKENIZER, [], lambda event: None).name == STANDING
    texts = standing_texts()
    first = next(texts)
    assert len(first) > 400_000
    more = [next(texts) for _ in range(20)]
    assert all(len(text) > 200 for text in more)
    again = standing_texts()
    assert [next(again) for _ in range(21)] == [first, *more]
