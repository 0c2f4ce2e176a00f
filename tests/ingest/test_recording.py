"""Recordings and videos: frames at their own times, sound beside them, what is missing with its second."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import hour
import numpy as np
import pytest
from clips import bars, movie, number, recording, tone
from PIL import Image as pillow

from gemcli.errors import InputError, UsageError
from gemcli.ingest.frames import SIDE, distinct
from gemcli.ingest.ranges import parse
from gemcli.ingest.recording import read
from gemcli.ingest.source import Source
from gemcli.ingest.wants import Wants
from gemcli.parts import Audio, Document, Image, Text

EVEN = [each * 40 for each in range(100)]


def quiet(done: int, total: int) -> None:
    """Progress is not shown."""


def seen(path: Path, clip: tuple[float | None, float | None] = (None, None), **wants: object) -> Document:
    return read(Source(path.name, path, "video/mp4", clip=clip, wants=Wants(**wants)), quiet)  # type: ignore[arg-type]


def images(document: Document) -> list[Image]:
    return [part for part in document.parts if isinstance(part, Image)]


def numbers(document: Document) -> list[int]:
    return [number(part.pixels()) for part in images(document)]


def starts(document: Document) -> list[float]:
    return [part.anchor.seconds[0] for part in images(document) if part.anchor.seconds]


def heard(document: Document) -> np.ndarray:
    (sound,) = (part for part in document.parts if isinstance(part, Audio))
    return np.concatenate(list(sound.samples()))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mkv", {}),
        ("a.mov", {"b_frames": 0}),
        ("a.webm", {"codec": "libvpx"}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.flv", {"codec": "flv"}),
        ("odd.mkv", {"codec": "ffv1", "pix_fmt": "yuv444p", "size": (161, 97)}),
        ("ten-bit.mp4", {"pix_fmt": "yuv420p10le"}),
        ("one-group.mp4", {"gop": 1000}),
        ("all-keys.mp4", {"gop": 1, "b_frames": 0}),
    ],
)
def test_every_container_gives_the_frames_of_their_times(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    path = movie(tmp_path / name, EVEN, **options)  # type: ignore[arg-type]
    document = seen(path, fps=4)
    assert numbers(document) == [round(at / 0.04) for at in starts(document)]
    assert starts(document) == pytest.approx(np.arange(0, 4, 0.25), abs=0.021)


@pytest.mark.parametrize("order", ["backwards", "shuffled", "twice"])
def test_frames_may_be_asked_for_in_any_order(order: str, tmp_path: Path) -> None:
    document = seen(movie(tmp_path / "a.mp4", EVEN), fps=25)
    parts = list(enumerate(images(document)))
    if order == "backwards":
        parts.reverse()
    elif order == "shuffled":
        random.Random(1).shuffle(parts)
    else:
        parts = [each for each in parts for _ in range(2)]
    assert all(number(part.pixels()) == place for place, part in parts)


def test_uneven_times_are_the_frames_own(tmp_path: Path) -> None:
    times = [0, 40, 80, 1500, 1510, 1520, 3000, 3900]
    document = seen(movie(tmp_path / "a.mp4", times))
    assert starts(document) == [0, 1.5, 1.52, 3.0, 3.9]
    assert numbers(document) == [0, 3, 5, 6, 7]


@pytest.mark.parametrize("shift", [-500, 50_000])
def test_a_clock_that_starts_elsewhere_counts_from_the_first_frame(shift: int, tmp_path: Path) -> None:
    document = seen(movie(tmp_path / "a.mkv", [each + shift for each in EVEN]))
    assert starts(document) == [0, 1, 2, 3]
    assert numbers(document) == [0, 25, 50, 75]
    assert document.warnings == ()


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_video_is_shown_upright(turn: int, tmp_path: Path) -> None:
    (part, *_) = images(seen(movie(tmp_path / "a.mp4", EVEN[:10], turn=turn)))
    upright = part.pixels()
    assert (part.width, part.height) == upright.size == ((96, 160) if turn % 180 else (160, 96))


def test_a_quarter_turn_is_clockwise(tmp_path: Path) -> None:
    part = images(seen(movie(tmp_path / "a.mp4", EVEN[:26], turn=90)))[-1]
    assert number(part.pixels().rotate(90, expand=True)) == 25


def test_pixels_are_made_square_and_large_frames_small(tmp_path: Path) -> None:
    (part, *_) = images(seen(movie(tmp_path / "a.mp4", EVEN[:3], pixel_shape=Fraction(2, 1))))
    assert (part.width, part.height) == part.pixels().size == (320, 96)
    (part, *_) = images(seen(movie(tmp_path / "b.mp4", EVEN[:3], size=(1280, 720))))
    assert (part.width, part.height) == (1280, 720)
    assert part.pixels().size == (SIDE, 432)


def test_a_clip_bounds_frames_sound_and_words(tmp_path: Path) -> None:
    path = movie(
        tmp_path / "a.mkv",
        EVEN,
        sound=tone(4),
        chapters=[(0, 2000, "One"), (2000, 3000, "Two"), (3000, 4000, "Three")],
        subtitles=[(100, 400, "early"), (2200, 2500, "in it"), (3500, 3900, "late")],
        subtitle_codec="subrip",
    )
    document = seen(path, clip=(2.0, 3.0), fps=2)
    assert starts(document) == pytest.approx([2.0, 2.5], abs=0.021)
    assert [part.text for part in document.parts if isinstance(part, Text)] == ["Chapter: Two", "in it"]
    assert len(heard(document)) == 16_000
    assert [type(part).__name__ for part in document.parts] == ["Text", "Audio", "Image", "Text", "Image"]


def test_chapters_subtitles_and_sound_are_in_the_order_of_time(tmp_path: Path) -> None:
    path = movie(
        tmp_path / "a.mp4",
        EVEN,
        sound=tone(4),
        chapters=[(0, 2000, "One"), (2000, 4000, "Two")],
        subtitles=[(500, 900, "<i>Hello</i>"), (1500, 1800, ""), (2100, 2900, "there")],
    )
    document = seen(path)
    moments = [part.anchor.seconds[0] for part in document.parts if part.anchor.seconds]
    assert moments == sorted(moments)
    texts = [(part.anchor.seconds, part.text) for part in document.parts if isinstance(part, Text)]
    assert texts == [
        ((0.0, 2.0), "Chapter: One"),
        ((0.5, 2.9), "Hello\nthere"),
        ((2.0, 4.0), "Chapter: Two"),
    ]
    assert not [part for part in seen(path, sound=False).parts if isinstance(part, Audio)]


def test_sound_that_begins_later_keeps_its_time(tmp_path: Path) -> None:
    document = seen(movie(tmp_path / "a.mkv", EVEN, sound=tone(2), sound_at=1000))
    (sound,) = (part for part in document.parts if isinstance(part, Audio))
    assert sound.anchor.seconds is not None
    assert sound.anchor.seconds[0] == pytest.approx(1.0, abs=0.07)


def test_repeated_frames_are_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=1)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        for place in range(12):
            frame = av.VideoFrame.from_ndarray(bars(place // 4 * 85, 160, 96), format="rgb24")
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    new = distinct(images(seen(path)), quiet)
    assert [(part.anchor.seconds, number(picture)) for part, picture in new] == [
        ((0.0, 0.0), 0),
        ((4.0, 4.0), 85),
        ((8.0, 8.0), 170),
    ]
    assert (new.dropped, new.damaged) == (9, [])


def test_more_frames_than_asked_for_are_thinned_and_it_is_said(tmp_path: Path) -> None:
    document = seen(movie(tmp_path / "a.mp4", EVEN), max_frames=2, fps=5)
    assert starts(document) == [0, 2]
    (warning,) = document.warnings
    assert "2 frames are read, one every 2.0 s, instead of the 20" in warning


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"),
        ("float.wav", "pcm_f32le"),
        ("a.mp3", "libmp3lame"),
        ("a.flac", "flac"),
        ("a.opus", "libopus"),
        ("a.m4a", "aac"),
        ("a.aiff", "pcm_s16be"),
        ("misnamed.mp4", "aac"),
    ],
)
def test_every_codec_gives_the_sound_at_16_khz(name: str, codec: str, tmp_path: Path) -> None:
    sound = tone(12)
    document = seen(recording(tmp_path / name, sound, codec, tags={"title": "A talk"}))
    (part,) = document.parts
    assert isinstance(part, Audio)
    assert part.seconds == pytest.approx(12, abs=0.1)
    blocks = list(part.samples())
    assert all(block.dtype == np.float32 and len(block) <= 480_000 for block in blocks)
    samples = np.concatenate(blocks)
    assert len(samples) / 16_000 == pytest.approx(part.seconds, abs=0.05)
    spectrum = np.abs(np.fft.rfft(samples[16_000:32_000]))
    assert spectrum.argmax() == 440
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.05)
    assert document.meta["title"] == "A talk"


def test_plain_samples_are_exact_and_a_clip_is_cut_exactly(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, 80_000).astype(np.float32)
    path = recording(tmp_path / "a.wav", sound, "pcm_s16le")
    whole = heard(seen(path))
    assert np.abs(whole - sound).max() <= 1 / 32768 + 1e-6
    assert np.array_equal(heard(seen(path, clip=(1.5, 3.25))), whole[24_000:52_000])


def test_loud_channels_are_mixed_without_clipping(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_f32le", rate=16_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.repeat(tone(1, level=0.9), 2)[None], "flt", "stereo")
        frame.sample_rate, frame.pts = 16_000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert np.abs(heard(seen(path)) - tone(1, level=0.9)).max() < 1e-3


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    song = recording(tmp_path / "plain.mp3", tone(3), "libmp3lame")
    path = tmp_path / "a.mp3"
    cover = tmp_path / "cover.png"
    pillow.fromarray(bars(7, 64, 64)).save(cover)
    with av.open(str(song)) as given, av.open(str(cover)) as picture, av.open(str(path), "w") as out:
        streams = [out.add_stream_from_template(each.streams[0]) for each in (given, picture)]
        streams[1].disposition = av.stream.Disposition.attached_pic
        for source, stream in zip((given, picture), streams, strict=True):
            for packet in source.demux():
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    (part,) = seen(path).parts
    assert isinstance(part, Audio)


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
def test_a_video_that_ends_early_is_read_and_it_is_said_where(name: str, tmp_path: Path) -> None:
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    whole = movie(tmp_path / name, [each * 40 for each in range(250)], codec=codec).read_bytes()
    path = tmp_path / f"cut-{name}"
    begin, end = (whole.index(b"movi"), whole.index(b"idx1")) if "avi" in name else (0, len(whole))
    path.write_bytes(whole[: (begin + end) // 2])
    document = seen(path)
    assert 2 <= len(images(document)) <= 8
    assert "ends early" in " ".join(document.warnings)
    assert "00:00:0" in document.warnings[-1]
    assert numbers(document)[:2] == [0, 25]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"),
        ("a.flac", "flac"),
        ("a.mp3", "libmp3lame"),
        ("a.m4a", "aac"),
        ("a.ogg", "libopus"),
    ],
)
def test_a_recording_that_ends_early_is_read_or_refused(name: str, codec: str, tmp_path: Path) -> None:
    whole = recording(tmp_path / name, tone(20), codec).read_bytes()
    path = tmp_path / f"cut-{name}"
    path.write_bytes(whole[: len(whole) // 2])
    if name == "a.m4a":
        with pytest.raises(InputError, match="moov"):
            seen(path)
    else:
        document = seen(path)
        assert "ends early" in document.warnings[0]
        assert re.search("what follows 00:00:(09|1[0-4])", document.warnings[0])
        assert 5 < len(heard(document)) / 16_000 < 15


@pytest.mark.parametrize(("name", "codec"), [("a.opus", "libopus"), ("a.ogg", "flac")])
def test_an_ogg_file_is_whole_when_its_last_page_is(name: str, codec: str, tmp_path: Path) -> None:
    path = recording(tmp_path / name, tone(20), codec)
    whole = path.read_bytes()
    last = whole.rindex(b"OggS")
    for data, ends_early in (
        (whole, False),
        (whole + b"TAG" + bytes(125), False),
        (whole[:-1], True),
        (whole[: last + 30], True),
        (whole[: last + 10], True),
        (whole[:last], True),
    ):
        path.write_bytes(data)
        assert ("ends early" in " ".join(seen(path).warnings)) is ends_early, len(data)


def test_what_cannot_be_played_is_refused_in_words(tmp_path: Path) -> None:
    def refused(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(InputError) as caught:
            seen(path)
        return caught.value.message

    assert refused("empty.mp4", b"") == "empty.mp4 is empty"
    assert "nothing in it can be played" in refused("junk.mp4", random.Random(0).randbytes(50_000))
    assert "nothing in it can be played" in refused("list.mp4", b"#EXTM3U\n#EXTINF:9,\nfile:///etc/hosts\n")
    silent = recording(tmp_path / "none.wav", tone(0.01), "pcm_s16le").read_bytes()[:78]
    assert "neither sound nor moving pictures" in refused("silent.wav", silent)


def test_times_and_pages_that_it_does_not_have_are_refused(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.wav", tone(2), "pcm_s16le")
    with pytest.raises(UsageError, match="nothing of it comes after 00:00:10"):
        seen(path, clip=(10, None))
    assert "lasts 00:00:02" in seen(path, clip=(None, 60)).warnings[0]
    with pytest.raises(UsageError, match="not pages"):
        read(Source("a.wav", path, "audio/wav", selection=parse("1", "page")), quiet)


def test_a_stream_from_memory_is_read_like_a_file(tmp_path: Path) -> None:
    data = movie(tmp_path / "a.mp4", EVEN, sound=tone(4)).read_bytes()
    document = read(Source("stdin", None, "video/mp4", data), quiet)
    assert numbers(document) == [0, 25, 50, 75]
    assert len(heard(document)) > 60_000


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mp3"])
def test_damage_is_a_warning_or_an_input_error(name: str, tmp_path: Path) -> None:
    if name == "a.mp3":
        whole = recording(tmp_path / name, tone(4), "libmp3lame").read_bytes()
    else:
        whole = movie(tmp_path / name, EVEN[:40], sound=tone(1.6)).read_bytes()
    chance = random.Random(5)
    read_at_all = 0
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 8, 64])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            document = read(
                Source(name, None, "video/mp4", bytes(data[: chance.randrange(1, len(data))])), quiet
            )
            for part in document.parts:
                if isinstance(part, Image):
                    part.pixels()
                elif isinstance(part, Audio):
                    assert sum(map(len, part.samples())) <= part.seconds * 16_000 + 1
            read_at_all += 1
        except InputError:
            continue
    assert read_at_all


@pytest.mark.slow
def test_the_trailer_gives_its_frames_within_50_ms_and_its_sound(material: Callable[[str], Path]) -> None:
    path = material("trailer.mp4")
    asked = [0.0, 7.3, 21.0, 34.6, 50.1]
    for at in asked:
        (part, *_) = images(seen(path, clip=(at, at + 0.5), fps=2))
        assert part.anchor.seconds is not None
        own = part.anchor.seconds[0]
        assert own == pytest.approx(at, abs=0.05)
        with av.open(str(path)) as container:
            frame = min(container.decode(video=0), key=lambda each: abs((each.time or 0) - own))
        theirs = frame.to_image(width=SIDE, height=432, src_colorspace="ITU709", interpolation="AREA")
        assert np.array_equal(np.asarray(part.pixels()), np.asarray(theirs))
    document = seen(path)
    assert len(images(document)) == 56
    assert len(heard(document)) / 16_000 == pytest.approx(52.1, abs=0.2)


@pytest.mark.slow
def test_an_hour_of_1080p_is_planned_and_decoded_in_bounded_memory_and_a_low_rate_jumps(
    tmp_path: Path,
) -> None:
    def cost(fps: str) -> dict[str, float]:
        """Of a process of its own, so that its memory is its own."""
        program = Path(hour.__file__)
        done = subprocess.run(
            [sys.executable, program, path, fps], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    path = tmp_path / "hour.mp4"
    hour.make(path, hours=1 / 9)  # 400 s: what is decoded grows with the length, what is held does not
    often, seldom = cost("1"), cost("0.1")
    assert (often["frames"], seldom["frames"]) == (400, 40)
    assert often["decode_cpu_s"] >= 2 * seldom["decode_cpu_s"]
    assert max(often["plan_rss_mb"], often["rss_mb"], seldom["rss_mb"]) < 500
