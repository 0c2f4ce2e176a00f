"""``gemcli transcribe``: which file gives what where, and what is said when it cannot."""

from __future__ import annotations

import io
import json
import os
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import srt

from gemcli.bridge import sound
from gemcli.bridge.speech import Segment
from gemcli.commands.session import Session
from gemcli.errors import InputError, ModelUnavailableError, UsageError
from gemcli.main import execute


def wav(seconds: float = 3.0) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        tone = np.sin(np.arange(int(seconds * 16_000)) * 0.2) * 9_000
        file.writeframes(tone.astype("<i2").tobytes())
    return buffer.getvalue()


class Listener:
    heard = "en"

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.silent = False

    def listen(self, audio: Any, *, keep: Any, report: Callable[[float], None]):
        start = audio.anchor.seconds[0]
        if self.silent:
            return
        yield Segment(start, start + 1.0, "Hello there.")
        if self.failure:
            raise self.failure
        report(audio.seconds / 2)
        yield Segment(start + 1.0, start + 2.5, "How are you?")


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Listener:
    """Everybody says the same in every recording; the working folder holds two of them and a text."""
    import gemcli.hub.resolve

    made = Listener()
    monkeypatch.setattr(sound.Sound, "ready", lambda self: made)
    monkeypatch.setattr(
        gemcli.hub.resolve,
        "resolve_speech",
        lambda name, **_: gemcli.hub.resolve.Resolved(f"whisper-{name.removeprefix('whisper-')}", Path("x")),
    )
    monkeypatch.chdir(tmp_path)
    for name in ("one.wav", "two.wav"):
        (tmp_path / name).write_bytes(wav())
    (tmp_path / "notes.md").write_text("nothing to hear\n")
    return made


@pytest.fixture
def run(listener: Listener, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*arguments: str) -> str:
        execute(["transcribe", *arguments], Session())
        return capsys.readouterr().out

    return call


def test_text_is_a_line_for_each_segment(run: Callable[..., str]) -> None:
    assert run("one.wav") == "Hello there.\nHow are you?\n"


def test_several_texts_have_their_names_before_them(run: Callable[..., str]) -> None:
    said = "Hello there.\nHow are you?\n"
    assert run("one.wav", "two.wav") == f"==> one.wav <==\n{said}\n==> two.wav <==\n{said}"


def test_subtitles_of_a_stretch_have_the_times_of_the_file(run: Callable[..., str]) -> None:
    cues = list(srt.parse(run("one.wav", "--format", "srt", "--start", "0:00.5"), ignore_errors=False))
    assert [(each.start.total_seconds(), each.content) for each in cues] == [
        (0.5, "Hello there."), (1.5, "How are you?"),
    ]  # fmt: skip


@pytest.mark.parametrize("flags", [("-o", "json"), ("--json",), ("--format", "json")])
def test_json_has_everything(run: Callable[..., str], flags: tuple[str, ...]) -> None:
    found = json.loads(run("one.wav", "two.wav", *flags))
    assert found["schema_version"] == 1
    assert found["model"] == "whisper-base"
    one, two = found["files"]
    assert (one["source"], two["source"]) == ("one.wav", "two.wav")
    assert one["segments"][1] == {"start": 1.0, "end": 2.5, "text": "How are you?"}
    assert (one["text"], one["language"], one["seconds"]) == ("Hello there. How are you?", "en", 3.0)


def test_a_file_and_a_folder_to_write_to(run: Callable[..., str], tmp_path: Path) -> None:
    assert run("one.wav", "-f", "vtt", "--out", "subs/one.vtt") == "subs/one.vtt\n"
    assert (tmp_path / "subs/one.vtt").read_text().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n")
    assert run("one.wav", "two.wav", "-f", "srt", "--out", "subs") == "subs/one.srt\nsubs/two.srt\n"
    assert (tmp_path / "subs/two.srt").read_text().startswith("1\n00:00:00,000 --> ")
    assert [each.name for each in sorted((tmp_path / "subs").iterdir())] == ["one.srt", "one.vtt", "two.srt"]
    found = json.loads(run("one.wav", "-o", "json", "--out", "subs/"))
    assert found["written"] == ["subs/one.json"]
    assert json.loads((tmp_path / "subs/one.json").read_text())["text"] == "Hello there. How are you?"


def test_recordings_of_one_name_do_not_overwrite_each_other(run: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/one.wav").write_bytes(wav())
    assert run("one.wav", "b/one.wav", "--out", "subs").split() == ["subs/one.txt", "subs/one-2.txt"]


def test_subtitles_of_several_files_do_not_run_into_each_other(run: Callable[..., str]) -> None:
    with pytest.raises(UsageError, match="subtitles of 2 files") as caught:
        run("one.wav", "two.wav", "-f", "srt")
    assert "--out" in (caught.value.hint or "")


def test_a_file_without_sound_is_refused_or_left_out(
    run: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"notes\.md holds no sound"):
        run("notes.md")
    with pytest.raises(InputError, match=r"notes\.md holds no sound") as caught:
        run("one.wav", "notes.md")
    assert "--keep-going" in (caught.value.hint or "")
    execute(["transcribe", "one.wav", "notes.md", "--keep-going"], Session())
    out, err = capsys.readouterr()
    assert out == "Hello there.\nHow are you?\n"
    assert "notes.md holds no sound; left out" in err


def test_sound_that_breaks_off_gives_what_was_before_and_fails(
    run: Callable[..., str], listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    listener.failure = InputError("its data is damaged")
    with pytest.raises(
        InputError, match=r"one\.wav: its sound cannot be read after 1 s: its data is damaged"
    ):
        run("one.wav")
    assert capsys.readouterr().out == "Hello there.\n"


@pytest.mark.parametrize("form", ["txt", "srt", "vtt", "json"])
def test_a_recording_without_speech_is_said_to_have_none(
    listener: Listener, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    listener.silent = True
    execute(["transcribe", "one.wav", "-f", form], Session())
    out, err = capsys.readouterr()
    assert "warning: one.wav: no speech was found in it\n" in err
    if form == "json":
        (row,) = json.loads(out)["files"]
        assert (row["segments"], row["warnings"]) == ([], ["no speech was found in it"])
    else:
        assert out.split() == (["WEBVTT"] if form == "vtt" else [])


def test_of_several_recordings_the_one_without_speech_is_named(
    run: Callable[..., str], listener: Listener, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    listener.silent = True
    execute(["transcribe", "one.wav", "two.wav", "-f", "srt", "--out", "subs"], Session())
    out, err = capsys.readouterr()
    assert out == "subs/one.srt\nsubs/two.srt\n"
    assert [line for line in err.splitlines() if "no speech" in line] == [
        "gemcli: warning: one.wav: no speech was found in it",
        "gemcli: warning: two.wav: no speech was found in it",
    ]
    assert (tmp_path / "subs/one.srt").read_text() == ""


def test_no_file_at_all_is_a_mistake(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    from gemcli.ingest import stdin

    monkeypatch.setattr(stdin, "read_implied", lambda on_event: None)
    with pytest.raises(UsageError, match="nothing to listen to"):
        run()


def test_a_place_that_cannot_be_written_to_is_said(run: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(Exception, match=r"cannot write taken/one\.txt"):
        run("one.wav", "--out", "taken/one.txt")


@pytest.mark.skipif(os.name != "posix", reason="there are no such pipes elsewhere")
def test_a_pipe_or_a_device_is_written_to_and_not_replaced(run: Callable[..., str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor() as pool:
        came = pool.submit((tmp_path / "pipe").read_text)
        run("one.wav", "--out", "pipe")
        assert came.result(10) == "Hello there.\nHow are you?\n"
    assert (tmp_path / "pipe").is_fifo()


def test_a_link_is_written_through(run: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    run("one.wav", "--out", "link.txt")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "Hello there.\nHow are you?\n"


def test_a_recording_is_not_written_over(run: Callable[..., str], tmp_path: Path) -> None:
    before = (tmp_path / "one.wav").read_bytes()
    with pytest.raises(UsageError, match=r"one\.wav is what is listened to"):
        run("./one.wav", "--out", "one.wav")
    assert (tmp_path / "one.wav").read_bytes() == before


def test_the_model_is_not_fetched_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.wav").write_bytes(wav())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelUnavailableError, match=r"whisper-tiny\.en is not installed, and --offline"):
        execute(["transcribe", "one.wav", "--offline", "-m", "tiny.en"], Session())


def test_the_frames_of_a_video_are_nobodys_concern(
    run: Callable[..., str], material: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    execute(["transcribe", str(material("trailer.mp4")), "-o", "json"], Session())
    out, err = capsys.readouterr()
    assert json.loads(out)["files"][0]["warnings"] == []
    assert "warning" not in err


@pytest.mark.weights
def test_a_real_recording(
    material: Callable[[str], Path],
    weights: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    monkeypatch.setenv("GEMCLI_MODELS", str(weights("whisper-base").parents[1]))
    execute(["transcribe", str(material("jfk.mp3")), "-f", "srt"], Session())
    cues = list(srt.parse(capsys.readouterr().out, ignore_errors=False))
    assert "what your country can do for you" in " ".join(" ".join(each.content.split()) for each in cues)
    assert cues[-1].end.total_seconds() < 11.1
