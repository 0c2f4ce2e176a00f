"""Subtitle files: cues become passages with their seconds, however carelessly they are written."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import srt

from gemcli.errors import InputError, UsageError
from gemcli.ingest.cues import Cue, passages, plain
from gemcli.ingest.ranges import parse
from gemcli.ingest.source import Source
from gemcli.ingest.subtitles import read
from gemcli.ingest.wants import Wants
from gemcli.parts import Document, Text

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Hello</i>  there

2
00:00:03,000 --> 00:00:04,000
{\\an8}General &amp; friends

3
00:01:00,000 --> 00:01:02,000
A minute later
"""

VTT = """WEBVTT - a talk

NOTE nothing to see

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Mary Ann>Hello <c.loud>there</c>

00:00:03.000 --> 00:00:04.000
<00:00:03.500>General &amp; friends
"""

ASS = """[Script Info]
Title: x

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\i1}Hello{\\i0}, there\\Nfriend
Dialogue: 0,soon,0:00:03.00,Default,,0,0,0,,never
"""


def subtitles(
    data: str | bytes,
    media_type: str = "text/x-subrip",
    clip: tuple[float | None, float | None] = (None, None),
) -> Document:
    content = data.encode() if isinstance(data, str) else data
    return read(Source("talk.srt", None, media_type, content, clip=clip), lambda done, total: None)


def said(document: Document) -> list[tuple[str, tuple[float, float] | None]]:
    return [(part.text, part.anchor.seconds) for part in document.parts if isinstance(part, Text)]


def test_srt_is_gathered_into_passages_without_markup() -> None:
    document = subtitles(SRT)
    assert said(document) == [
        ("Hello there\nGeneral & friends", (1.0, 4.0)),
        ("A minute later", (60.0, 62.0)),
    ]
    assert document.meta["cues"] == 3
    assert document.warnings == ()


def test_vtt_drops_notes_styles_and_names_the_speaker() -> None:
    assert said(subtitles(VTT, "text/vtt")) == [("Mary Ann: Hello there\nGeneral & friends", (1.0, 4.0))]


def test_ass_is_read_and_what_has_no_time_is_counted() -> None:
    document = subtitles(ASS)
    assert said(document) == [("Hello, there\nfriend", (1.0, 2.5))]
    assert document.warnings == ("1 of 2 subtitles have no valid time; they are not read",)


def test_the_same_cues_as_an_independent_parser() -> None:
    cues = [
        srt.Subtitle(n, timedelta(seconds=20 * n), timedelta(seconds=20 * n + 1.25), f"Line {n}\nand more")
        for n in range(1, 50)
    ]
    text = srt.compose(cues)
    assert said(subtitles(text)) == [
        (each.content, (each.start.total_seconds(), each.end.total_seconds())) for each in srt.parse(text)
    ]


def test_careless_files_are_read() -> None:
    text = "0:0:1.5-->0:0:2\nno blank\n2\n00:00:01,000 --> 00:00:00,000\nbackwards\n\n99:99 --> x\nlost\n"
    document = subtitles(text)
    assert said(document) == [("backwards\nno blank", (1.0, 2.0))]
    assert document.warnings == ("1 of 3 subtitles have no valid time; they are not read",)


def test_overlapping_cues_are_counted() -> None:
    text = "00:00:01,000 --> 00:00:05,000\na\n\n00:00:02,000 --> 00:00:03,000\nb\n"
    assert subtitles(text).meta["overlapping"] == 1


def test_rolling_captions_are_said_once() -> None:
    cues = [Cue(0, 1, "one"), Cue(1, 2, "one\ntwo"), Cue(2, 3, "two\nthree"), Cue(5, 6, "three")]
    assert [part.text for part in passages(cues)] == ["one\ntwo\nthree\nthree"]


def test_a_clip_takes_what_is_said_then() -> None:
    assert said(subtitles(SRT, clip=(2.0, 10.0))) == [("Hello there\nGeneral & friends", (1.0, 4.0))]
    with pytest.raises(UsageError, match="ends at 00:01:02"):
        subtitles(SRT, clip=(100.0, None))
    with pytest.raises(InputError, match="says nothing"):
        subtitles(SRT, clip=(10.0, 50.0))


def test_a_file_without_cues_is_text() -> None:
    document = subtitles("Dear diary,\nnothing was said.\n")
    assert "read as text" in document.warnings[-1]
    assert said(document)[0][0].startswith("Dear diary")


def test_empty_and_binary_files_are_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        subtitles("")
    with pytest.raises(InputError, match="is no text"):
        subtitles(bytes(range(256)) * 40)


def test_lines_are_refused() -> None:
    source = Source("talk.srt", None, "text/x-subrip", SRT.encode(), selection=parse("1-2", "line"))
    with pytest.raises(UsageError, match="seconds, not lines"):
        read(source, lambda done, total: None)


def test_wants_bound_a_file_without_a_range_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    path.write_text(SRT)
    source = Source("talk.srt", path, "text/x-subrip", wants=Wants(start=30))
    assert said(read(source, lambda done, total: None)) == [("A minute later", (60.0, 62.0))]


@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ("a < b and c > d", "a < b and c > d"),
        ("{\\pos(1,2)}x\\Ny", "x\ny"),
        ("<font color='red'>x</font>", "x"),
    ],
)
def test_only_markup_is_taken_out(marked: str, words: str) -> None:
    assert plain(marked) == words
