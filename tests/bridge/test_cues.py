"""Subtitles: times rise, cues never overlap, lines are short, no word is lost, other programs read them."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import srt
from hypothesis import given
from hypothesis import strategies as st

from gemcli.bridge.cues import COLUMNS, LINES, Segment, cues, written

SPEECH = [
    Segment(0.0, 7.6, "And so, my fellow Americans, ask not what your country can do for you,"),
    Segment(7.6, 11.0, "ask what you can do for your country."),
    Segment(10.5, 10.4, "Overlapping, and ending before it begins."),
    Segment(3600.0, 3601.0, "A very long remark that was made in no time at all " * 4),
]

words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=60)
segments = st.lists(
    st.builds(
        lambda start, length, said: Segment(start, start + length, " ".join(said)),
        st.floats(0, 10_000),
        st.floats(0, 40),
        st.lists(words, max_size=60),
    ),
    max_size=12,
).map(lambda each: sorted(each, key=lambda segment: segment.start))


@given(segments)
def test_times_rise_and_nothing_is_lost(said: list[Segment]) -> None:
    made = list(cues(said))
    last = 0
    for cue in made:
        assert last <= cue.start < cue.end
        last = cue.end
        assert 1 <= len(cue.lines) <= LINES
        for line in cue.lines:
            assert line.strip() == line
            assert line
            assert len(line) <= COLUMNS or " " not in line
    text = "".join("".join(cue.lines) for cue in made)
    assert "".join(text.split()) == "".join("".join(each.text for each in said).split())


def test_a_long_segment_is_cut_behind_a_stop() -> None:
    text = "This is the first sentence of it. Here is the second one, which goes on for a while, as they do."
    made = [" ".join(cue.lines) for cue in cues([Segment(0, 9, text)])]
    assert made[0] == "This is the first sentence of it."
    assert made[1].endswith(",")


def test_an_independent_parser_reads_the_subtitles() -> None:
    parsed = list(srt.parse(written(SPEECH, "srt"), ignore_errors=False))
    assert [each.index for each in parsed] == list(range(1, len(parsed) + 1))
    assert all(one.end <= other.start for one, other in pairwise(parsed))
    assert all(each.start < each.end for each in parsed)
    assert " ".join(" ".join(each.content.split()) for each in parsed).split() == [
        word for each in SPEECH for word in each.text.split()
    ]
    assert parsed[-1].start.total_seconds() >= 3600


def test_webvtt_has_its_head_and_no_tags() -> None:
    text = written([Segment(1, 2, "a < b & <i>c</i>")], "vtt")
    assert text == "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\na &lt; b &amp; &lt;i&gt;c&lt;/i&gt;\n\n"


def test_text_and_json() -> None:
    assert written(SPEECH[:2], "txt").splitlines() == [each.text for each in SPEECH[:2]]
    found = json.loads(written(SPEECH[:1], "json"))
    assert found["segments"] == [{"start": 0.0, "end": 7.6, "text": SPEECH[0].text}]
    assert found["text"] == SPEECH[0].text


@pytest.mark.parametrize("form", ["txt", "srt"])
def test_nothing_said_is_nothing_written(form: str) -> None:
    assert written([], form) == ""  # type: ignore[arg-type]
