"""Pixels and waveforms through the whole program: tiny models that see and hear, real files and commands."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from itertools import pairwise
from pathlib import Path
from typing import Any

import clips
import numpy as np
import PIL.Image
import pytest
import seeing
import whole

from gemcli.assistant import answer
from gemcli.errors import DoesNotFitError, UsageError
from gemcli.events import Note, Progress, Result, Token
from gemcli.loading import Loaded
from gemcli.prepared import prepare
from gemcli.request import Request
from tests.ingest.conftest import PICTURE, Pdf, text_content

FILES = ("report.pdf", "photo.png", "talk.wav", "clip.mp4", "-")
QUESTION = "What is shown and said?"
STDIN = "The launch code is 7431.\n"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("models")
    return {name: whole.write(place / name, name) for name in ("gemma3", "gemma4")}


@pytest.fixture(scope="module")
def loaded() -> dict[str, Loaded]:
    """Each model is loaded, and its programs are compiled, once."""
    return {"gemma3": Loaded(), "gemma4": Loaded()}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of every kind, and something piped in."""
    (tmp_path / "report.pdf").write_bytes(Pdf([text_content("All is well on page one."), PICTURE]).bytes())
    PIL.Image.fromarray(seeing.picture(150, 100)).save(tmp_path / "photo.png")
    clips.recording(tmp_path / "talk.wav", clips.tone(2.0), "pcm_s16le")
    clips.movie(tmp_path / "clip.mp4", range(0, 3960, 40), sound=clips.tone(2.0, 300))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(STDIN.encode())))
    return tmp_path


def asked(request: Request, loaded: Loaded) -> tuple[dict[str, Any], list[Any]]:
    events = list(answer(request, loaded))
    last = events[-1]
    assert isinstance(last, Result)
    return dict(last.data), events


def of(folder: Path, *files: str, **options: Any) -> Request:
    """A request; pictures are looked at as coarsely as can be, so that one program sees them and frames."""
    if folder.name == "gemma4":
        options = {"image_tokens": 70} | options
    return Request(QUESTION, files, stdin="never", model=str(folder), system="", max_tokens=4, **options)


def kinds(plan: dict[str, Any]) -> dict[str, list[str]]:
    return {
        document["source"]: [part["kind"] for part in document["parts"]] for document in plan["documents"]
    }


@pytest.mark.slow
def test_every_kind_of_file_is_seen_and_heard(folders, loaded, desk, monkeypatch):
    request = replace(of(folders["gemma4"], *FILES), stdin="auto")
    planned = prepare(request, lambda event: None, may_pull=False).plan(16, given=True)
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(STDIN.encode())))
    data, events = asked(request, loaded["gemma4"])
    assert data["error"] is None
    assert data["warnings"] == []
    assert kinds(data["plan"]) == {
        "report.pdf": ["text", "image"],
        "photo.png": ["image"],
        "talk.wav": ["audio"],
        "clip.mp4": ["audio", "image", "image", "image", "image"],
        "stdin": ["text"],
    }
    documents = {each["source"]: each for each in data["plan"]["documents"]}
    assert [part["anchor"] for part in documents["report.pdf"]["parts"]] == [{"page": 1}, {"page": 2}]
    assert [part["anchor"] for part in documents["talk.wav"]["parts"]] == [{"seconds": [0.0, 2.0]}]
    frames = [part["anchor"]["seconds"][0] for part in documents["clip.mp4"]["parts"][1:]]
    assert frames == pytest.approx([0, 1, 2, 3], abs=0.1)
    parts = [part for document in data["plan"]["documents"] for part in document["parts"]]
    assert all(part["tokens"] > 0 for part in parts)
    # 2 s are 50 tokens; the marks, the anchor and the blank line come on top.
    assert 52 < documents["talk.wav"]["parts"][0]["tokens"] < 90
    total = data["usage"]["prompt_tokens"]
    assert total == data["plan"]["total_tokens"] == planned["total_tokens"] == planned["prompt_tokens"]
    assert planned["documents"] == data["plan"]["documents"]
    assert data["read"] == {
        "overflow": "none",
        "tokens_read": total - data["plan"]["overhead_tokens"],
        "tokens_given": total - data["plan"]["overhead_tokens"],
    }
    stages = list(dict.fromkeys(event.stage for event in events if isinstance(event, Progress)))
    assert [stage for stage in stages if stage in ("load", "encode", "prefill")] == [
        "load",
        "encode",
        "prefill",
    ]


@pytest.mark.parametrize("family", ["gemma3", "gemma4"])
def test_the_pixels_and_samples_really_arrive(folders, loaded, desk, family):
    """What a file shows changes how likely the answer is; its name and size are as they were."""
    seen = []

    def look(request):
        result, events = asked(request, loaded[family])
        tokens = [each for event in events if isinstance(event, Token) for each in event.logprobs]
        seen.append(np.array([likely["logprob"] for each in tokens for likely in each["top_logprobs"]]))
        assert result["usage"]["completion_tokens"] > 0
        return result

    is_deaf = family == "gemma3"
    request = of(folders[family], "photo.png", "clip.mp4", *([] if is_deaf else ["talk.wav"]))
    wants = replace(request.wants, sound=False, max_frames=2)
    request = replace(request, wants=wants, logprobs=5, max_tokens=1, keep=False)
    assert look(request)["answer"] == look(request)["answer"]
    PIL.Image.fromarray(seeing.picture(150, 100, seed=1)).save("photo.png")
    look(request)
    clips.movie(Path("clip.mp4"), range(0, 4000, 20))  # frame 50 stands where 25 stood
    look(request)
    if not is_deaf:
        clips.recording(Path("talk.wav"), clips.tone(2.0, 1000), "pcm_s16le")
        look(request)
    np.testing.assert_array_equal(seen[0], seen[1])
    for before, after in pairwise(seen[1:]):
        assert np.abs(before - after).max() > 1e-5


def test_a_gguf_sees_and_hears_by_the_mmproj_file_beside_it(folders, desk, tmp_path):
    path = whole.write_gguf(tmp_path / "gguf")
    plans = [
        prepare(of(each, *FILES[:-1], image_tokens=70), lambda event: None, may_pull=False).plan(16)
        for each in (path, folders["gemma4"])
    ]
    assert plans[0]["documents"] == plans[1]["documents"]
    assert plans[0]["prompt_tokens"] == plans[1]["prompt_tokens"]
    (path.parent / "mmproj-model-F32.gguf").unlink()
    blind = prepare(of(path, "report.pdf", ocr=False), lambda event: None, may_pull=False).plan(16)
    assert {part["kind"] for part in blind["documents"][0]["parts"]} == {"text"}


def test_a_model_that_only_sees_has_the_sound_written_down(folders, desk, monkeypatch):
    """Frames stay pictures, and what is said becomes text by the bridge."""
    from gemcli.bridge import sound
    from gemcli.bridge.speech import Segment

    class Heard:
        segments = (Segment(0.5, 1.5, "hello there"),)
        problem = ""

    monkeypatch.setattr(sound.Sound, "hear", lambda self, audio, name: Heard())
    plan = prepare(of(folders["gemma3"], "clip.mp4"), lambda event: None, may_pull=False).plan(16)
    (document,) = plan["documents"]
    assert sorted(part["kind"] for part in document["parts"]) == ["image"] * 4 + ["text"]
    assert [part.get("via") for part in document["parts"] if part["kind"] == "text"] == ["speech"]


def test_fewer_tokens_for_each_picture_are_the_persons_choice(folders, desk):
    def tokens(**options: Any) -> int:
        request = of(folders["gemma4"], "photo.png", **options)
        return prepare(request, lambda event: None, may_pull=False).plan(16)["documents"][0]["tokens"]

    counts = [tokens(image_tokens=level) for level in (70, 140, 280, 560)]
    assert counts == sorted(set(counts))
    assert counts[2] == tokens(image_tokens=None)
    with pytest.raises(UsageError, match="gemma4 knows 70, 140, 280, 560, 1120"):
        tokens(image_tokens=100)
    with pytest.raises(UsageError, match="equally closely"):
        prepare(of(folders["gemma3"], "photo.png", image_tokens=70), lambda event: None, may_pull=False)


def test_a_number_that_the_model_does_not_know_is_a_wrong_flag(folders, desk, inside):
    done = inside("plan", str(desk / "photo.png"), "-m", str(folders["gemma4"]), "--image-tokens", "100")
    done.failed(2, "knows 70, 140, 280, 560, 1120")
    done = inside(
        "plan", str(desk / "photo.png"), "-m", str(folders["gemma4"]), "--image-tokens", "140", "--json"
    )
    parts = done.json()["documents"][0]["parts"]
    assert [part["kind"] for part in parts] == ["image"]
    assert 100 < parts[0]["tokens"] < 160


def test_too_many_frames_are_thinned_and_it_is_said(folders, desk):
    request = of(folders["gemma4"], "clip.mp4", "photo.png", context=700, image_tokens=None)
    request = replace(request, wants=replace(request.wants, sound=False, fps=10.0))
    events = []
    prepared = prepare(request, events.append, may_pull=False)
    prepared.check()
    plan = prepared.plan(16)
    assert plan["fits"] is False
    assert plan["read"]["overflow"] == "thin"
    assert {each["what"] for each in plan["thinned"]} <= {"frames", "image tokens", "pictures"}
    assert plan["thinned"]
    assert plan["prompt_tokens"] <= 700 - 4 < plan["total_tokens"]
    said = [event.message for event in events if isinstance(event, Note)]
    assert any(f"{plan['thinned'][0]['to']:,} of {plan['thinned'][0]['from']:,}" in each for each in said)
    with pytest.raises(DoesNotFitError, match="clip") as caught:
        prepare(replace(request, overflow="error"), events.append, may_pull=False).check()
    assert caught.value.exit_code == 4


@pytest.mark.slow
def test_the_command_itself(folders, cli, desk):
    """One run as a person has it: a process, a pipe, JSON."""
    for name in FILES[:-1]:
        (cli.folder / name).write_bytes((desk / name).read_bytes())
    words = ["ask", QUESTION, *FILES, "-m", str(folders["gemma4"]), "-o", "json", "--max-tokens", "4"]
    done = cli.real(*words, stdin=STDIN)
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert data["usage"]["prompt_tokens"] == data["plan"]["total_tokens"]
    assert sum(map(len, kinds(data["plan"]).values())) == 10
    assert data["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("family", ["gemma3", "gemma4"])
def test_real_tokenizers_count_parts_alike_alone_and_in_the_prompt(folders, family):
    """What is counted of too much, part by part, is what would be sent."""
    import sensing

    from gemcli.pack.assemble import assemble
    from gemcli.pack.media import Media
    from gemcli.pack.tally import tally
    from model.load import describe

    card = describe(folders[family])
    frames = [sensing.image(64, 48, at=float(n)) for n in (0, 59, 3601)]
    sounds = [sensing.audio(31, start=7.0), sensing.audio(2)] if family == "gemma4" else []
    documents = [
        sensing.document("a b.pdf", sensing.text("  Words.\n\nMore", page=1), sensing.image(page=2)),
        sensing.document("photo.png", sensing.image(), sensing.image()),
        sensing.document("v.mp4", *frames[:2], sensing.text("said\n", at=60.0), frames[2], *sounds),
    ]
    options: dict[str, Any] = {
        "system": None,
        "template": card.template,
        "tokenizer": card.tokenizer,
        "media": Media(card),
    }
    sent = assemble(documents, QUESTION, **options)
    found = tally(documents, QUESTION, keep=False, **options)
    assert found.parts == sent.costs.parts
    assert found.total == sent.costs.total == len(sent.ids)
    text = card.tokenizer.decode(sent.ids)
    for said in ("[a b.pdf p.2]", "[v.mp4 00:00:00]", "00:59 ", "60:01 "):
        assert said in text
