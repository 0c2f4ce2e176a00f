"""Prompts of exact length that share what they can, the walk through them, and the command."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import clips
import numpy as np
import pytest
import tiny
import whole

from gemcli.bench import needle as bench
from gemcli.bench.haystack import Haystack
from gemcli.bench.needle_insert import drawn
from gemcli.bench.needle_prompt import Insert, Prompts
from gemcli.bench.needle_text import KINDS, Clip, Needle, Task, task
from gemcli.bench.process import environment
from gemcli.errors import UsageError
from model.card import ModelCard, describe
from model.prompt import Soft
from model.tokenizer.template import ChatTemplate
from tests.bench.conftest import run

CLIPS = (Clip("a.wav", "harbour"), Clip("b.wav", "north wind"))
LINES = "".join(f"This is line {number} of a text about nothing.\n" for number in range(100))


@pytest.fixture(scope="module")
def card(parrot: Path) -> ModelCard:
    return describe(parrot)


def prompts(card: ModelCard, text: str = LINES) -> Prompts:
    def insert(needle: Needle) -> Insert:
        ids = card.tokenizer.encode(f"\n\n{needle.text}\n\n")
        if needle.sense == "text":
            return Insert(tuple(ids))
        rows = np.full((3, 4), float(int.from_bytes(needle.text.encode(), "big") % 97), np.float32)
        return Insert((10, 1, 1, 1, 10), (Soft(1, rows, is_block=True),))

    return Prompts(card, Haystack(card.tokenizer, lambda: iter([text]), "lines"), insert)


# --- what is asked -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_is_the_same_every_time_and_another_for_every_seed(kind: Any) -> None:
    def one(depth: float = 0.5, trial: int = 0, seed: int = 0, length: int = 4096) -> Task:
        return task(kind, length, depth, trial, seed=seed, clips=CLIPS)

    assert one() == one()
    assert one().needles[0].depth == 0.5
    if kind != "audio":
        assert len({one().expect, one(seed=1).expect, one(trial=1).expect, one(length=8192).expect}) == 4
    assert one(depth=0.1).needles[1:] == one(trial=3).needles[1:] == one().needles[1:], "others stay"
    texts = [each.text for each in one().needles]
    assert len(set(texts)) == len(texts)


def test_what_is_asked_is_hidden_once() -> None:
    for trial in range(50):
        single = task("single", 4096, 0.5, trial, seed=0)
        assert single.expect[0] in single.needles[0].text
        keys = task("multi-key", 4096, 0.5, trial, seed=0)
        city = keys.question.removeprefix("What is the pass key of ").removesuffix("?")
        assert [each for each in keys.needles if city in each.text] == [keys.needles[0]]
        assert keys.expect[0] in keys.needles[0].text
        values = task("multi-value", 4096, 0.5, trial, seed=0)
        assert [each.text.split()[-1].rstrip(".") for each in values.needles] == list(values.expect)
        assert len(values.expect) == 4
    assert task("audio", 4096, 0.5, 3, seed=0, clips=CLIPS).expect == ("north wind",)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (" 48213. Remember", True),
        ("It is **48213**.", True),
        ("48,213", True),
        ("148213", False),
        ("482131", False),
        ("4821", False),
        ("48213 ", True),
        ("", False),
    ],
)
def test_right_answers(answer: str, right: bool) -> None:
    assert Task((), "", "", "", ("48213",)).is_right(answer) == right


def test_all_that_is_expected_must_be_there() -> None:
    both = Task((), "", "", "", ("48213", "99321"))
    assert both.is_right("48213, 99321 and so on")
    assert not both.is_right("48213 and 48213")
    assert Task((), "", "", "", ("North Wind",)).is_right("the north\n wind blew")


# --- prompts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [0, 0.1, 0.5, 0.9, 1])
def test_a_prompt_has_its_length_and_its_needles_their_depth(
    card: ModelCard, kind: Any, depth: float
) -> None:
    made = prompts(card)
    asked = task(kind, 1500, depth, 0, seed=0, clips=CLIPS)
    layout = made.layout(asked, 1500)
    ids, soft = made.build(layout)
    assert ids.shape == (1500,)
    assert ids.dtype == np.int32
    text = card.tokenizer.decode([int(each) for each in ids])
    rest = text
    for each in layout.needles:
        if each.sense == "text":
            assert text.count(each.text) == 1
            rest = rest.replace(f"\n\n{each.text}\n\n", "")
    if not soft:
        inside = rest.split("\n\n", 2)
        assert inside[1].startswith(LINES[:100]), "the text is as it was, without a gap"
        assert LINES.startswith(inside[1])
    if kind in ("image", "audio"):
        assert [each.first for each in soft] == [layout.starts[0] + 1]
    assert text.endswith(asked.question), "a model that chats finds its own words"


def test_needles_stand_where_they_are_wanted(card: ModelCard) -> None:
    made = prompts(card)
    for depth in (0.0, 0.25, 0.5, 0.75, 1.0):
        asked = task("single", 3000, depth, 0, seed=0)
        layout = made.layout(asked, 3000)
        hay = 3000 - len(layout.head) - len(layout.tail) - len(asked.needles[0].text) - 4
        place = layout.starts[0] - len(layout.head)
        assert depth * hay - 50 <= place <= depth * hay, "a line back at most"
        assert place == 0 or LINES[place - 1] == "\n"


def test_a_model_that_only_continues_text_is_given_the_beginning_of_the_answer(card: ModelCard) -> None:
    base = replace(card, template=ChatTemplate(None, bos="", eos=""), is_base=True)
    made = prompts(base)
    ids, _ = made.build(made.layout(task("single", 800, 0.5, 0, seed=0), 800))
    assert base.tokenizer.decode([int(each) for each in ids]).endswith(
        "Question: What is the pass key?\nAnswer: The pass key is"
    )


def test_a_template_and_a_text_without_room(card: ModelCard) -> None:
    with pytest.raises(UsageError, match="a prompt of 100 tokens has no room for its question, which takes"):
        prompts(card).layout(task("single", 100, 0.5, 0, seed=0), 100)
    deaf = replace(card, template=ChatTemplate("{{ 'nothing' }}", bos="", eos=""))
    with pytest.raises(UsageError, match="changes the text"):
        prompts(deaf).layout(task("single", 400, 0.5, 0, seed=0), 400)


# --- the walk ----------------------------------------------------------------------------------------------


class Walker:
    """Stands for the model's memory: checks that what is said to be shared is, and finds every number."""

    def __init__(self, card: ModelCard) -> None:
        self.tokenizer = card.tokenizer
        self.before = np.zeros(0, np.int32)
        self.soft: list[Soft] = []
        self.marks: list[int] = []
        self.read = 0

    def __call__(
        self,
        ids: np.ndarray,
        soft: Sequence[Soft],
        shared: int,
        marks: Sequence[int],
        tail: int,
        progress: Callable[[int, int], None],
    ) -> bench.Answer:
        np.testing.assert_array_equal(ids[:shared], self.before[:shared])
        for one, other in zip(soft, self.soft, strict=False):
            assert one.first >= shared or np.array_equal(one.rows, other.rows)
        self.marks = [mark for mark in self.marks if mark <= shared]
        assert shared == 0 or self.marks[-1] == shared
        assert list(marks) == sorted(set(marks))
        assert all(shared < mark < len(ids) for mark in marks)
        self.marks += marks
        self.before, self.soft = ids, list(soft)
        self.read += len(ids) - shared
        progress(len(ids) - shared, len(ids) - shared)
        text = self.tokenizer.decode([int(each) for each in ids])
        assert text[tail:].lstrip().startswith("Wh")
        return bench.Answer(", ".join(re.findall(r"\b\d{5}\b", text[:tail])))


@pytest.mark.parametrize("kind", ["single", "multi-key", "multi-value", "image"])
def test_a_walk_shares_what_it_says_and_asks_everything_once(card: ModelCard, kind: Any) -> None:
    made, walker = prompts(card), Walker(card)
    wanted = bench.trials([1200, 1500, 2400], [0.1, 0.5, 0.9], 3)
    steps = bench.walk(wanted, kind, 0, (), made)
    seen: list[tuple[int, int]] = []
    rows = list(bench.run(steps, made, walker, lambda *count: seen.append(count)))
    assert sorted(map(bench.trial_of, rows), key=repr) == sorted(wanted, key=repr)
    assert walker.read == sum(step.fresh for step in steps) == seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    if kind != "image":
        assert all(row["correct"] for row in rows), rows
        assert bench.recall(bench.cells(rows, wanted)) == 1
    else:
        assert not any(row["correct"] for row in rows), "there is no number in the text"
    assert walker.read < 0.75 * sum(each.length for each in wanted)


def test_what_one_needle_costs_is_what_stands_behind_it(card: ModelCard) -> None:
    made = prompts(card)
    depths = [number / 10 for number in range(11)]
    steps = bench.walk(bench.trials([3000], depths, 1), "single", 0, (), made)
    read = sum(step.fresh for step in steps)
    assert read == pytest.approx(3000 * (1 + 11 / 2), rel=0.15), "and the text once"
    assert len(steps[-1].layout.branches) == 1


def test_cells_come_in_the_order_of_the_trials_and_count(card: ModelCard) -> None:
    wanted = bench.trials([100, 200], [0.5], 2)
    rows = [
        {"length": 200, "depth": 0.5, "trial": 1, "correct": True, "seconds": 2.0},
        {"length": 100, "depth": 0.5, "trial": 0, "correct": False, "seconds": 1.0},
        {"length": 200, "depth": 0.5, "trial": 0, "correct": True, "seconds": 1.5},
    ]
    assert bench.cells(rows, wanted) == [
        {"length": 100, "depth": 0.5, "trials": 1, "correct": 0, "seconds": 1.0},
        {"length": 200, "depth": 0.5, "trials": 2, "correct": 2, "seconds": 3.5},
    ]
    assert bench.recall(bench.cells(rows, wanted)) == pytest.approx(2 / 3)
    assert bench.recall([]) is None


def test_a_picture_shows_its_number() -> None:
    image = drawn("48213")
    pixels = np.asarray(image.pixels())
    assert pixels.shape == (image.height, image.width, 3)
    dark = pixels.max(2) < 128
    assert 0.02 < dark.mean() < 0.3
    rows, columns = np.nonzero(dark)
    assert rows.min() > 20
    assert columns.min() > 5
    assert columns.max() < image.width - 5
    assert not np.array_equal(pixels, np.asarray(drawn("48214").pixels()))


# --- the command -------------------------------------------------------------------------------------------


def test_the_report(parrot: Path, tmp_path: Path) -> None:
    hay, kept, plot = tmp_path / "hay.txt", tmp_path / "rows.jsonl", tmp_path / "map.png"
    hay.write_text(LINES[:300])
    words = [str(hay), "-m", str(parrot), "--lengths", "320,450", "--depths", "0,1", "--resume", str(kept)]
    done = run("needle", *words, "-o", "json", "--plot", str(plot))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {"model", "attention", "cells", "recall"} <= set(report)
    assert (report["model"], report["attention"], report["recall"]) == (str(parrot), "dense", 0.0)
    places = [(each["length"], each["depth"]) for each in report["cells"]]
    assert places == [(320, 0.0), (320, 1.0), (450, 0.0), (450, 1.0)]
    for each in report["cells"]:
        assert set(each) == {"length", "depth", "trials", "correct", "seconds"}
        assert (each["trials"], each["correct"]) == (1, 0)
        assert each["seconds"] > 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "300 tokens, and is repeated to fill 450" in done.stderr
    # What the model says after the template's last token does not depend on the text.
    assert len({each["answer"] for each in report["answers"]}) == 1

    again = run("needle", *words)
    assert again.returncode == 0, again.stderr
    assert "4 of 4 answers are in" in again.stderr
    lines = again.stdout.splitlines()
    assert lines[0].split() == ["depth", "320", "450"]
    assert lines[1].split() == ["0", "0/1", "0/1"]
    assert lines[-1].startswith(f"{parrot}, single, dense attention: 0 of 4 right")
    assert len(kept.read_text().splitlines()) == 4


@pytest.mark.slow
def test_a_killed_run_goes_on(parrot: Path, tmp_path: Path) -> None:
    kept = tmp_path / "rows.jsonl"
    words = ["-m", str(parrot), "--lengths", "300,400,470", "--trials", "20", "--resume", str(kept)]
    process = subprocess.Popen(
        [sys.executable, "-m", "gemcli", "bench", "needle", *words],
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    ends = time.monotonic() + 200
    while (not kept.exists() or kept.read_bytes().count(b"\n") < 3) and time.monotonic() < ends:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = kept.read_bytes()
    count = before.count(b"\n")
    assert 3 <= count < 180
    kept.write_bytes(before + b'{"run": "cut sh')
    done = run("needle", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert f"{count} of 180 answers are in" in done.stderr
    assert kept.read_bytes().startswith(before)
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert len({(row["length"], row["depth"], row["trial"]) for row in rows}) == len(rows) == 180
    assert sum(each["trials"] for each in json.loads(done.stdout)["cells"]) == 180


def refused() -> Iterator[tuple[list[str], int, str]]:
    yield ["--lengths", "2M"], 4, "2,097,184 tokens are asked for"
    yield ["--lengths", "100"], 2, "has no room for its question"
    yield ["--lengths", "many"], 2, "'many' is no number of tokens"
    yield ["--depths", "2"], 2, "'2' is no number from 0 to 1"
    yield ["--trials", "0"], 2, "--trials"
    yield ["--kind", "smell"], 2, "smell"
    yield ["--kind", "image"], 2, "does not see pictures"
    yield ["--kind", "audio"], 2, "does not hear"
    yield ["--clip", "talk.wav"], 2, "is not FILE=WORDS"
    yield ["--clip", "none.wav=word"], 3, "there is no file none.wav"
    yield ["none.txt"], 3, "none.txt"
    yield ["--plot", "map.txt"], 2, "is no name of a picture"
    yield ["--plot", "none/map.png"], 1, "there is no folder"
    yield ["--resume", "/"], 3, "cannot read /"


@pytest.mark.parametrize(("arguments", "code", "said"), list(refused()))
def test_what_cannot_be_measured(
    parrot: Path, arguments: list[str], code: int, said: str, refuses: Callable[[list[str], int, str], None]
) -> None:
    refuses(["needle", "-m", str(parrot), *arguments], code, said)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["image", "audio"])
def test_pictures_and_recordings_are_hidden_from_models_that_sense_them(tmp_path: Path, kind: str) -> None:
    folder = whole.write(tmp_path / "gemma4", "gemma4")
    clips.recording(tmp_path / "talk.wav", clips.tone(2.0), "pcm_s16le")
    clip = ["--clip", f"{tmp_path / 'talk.wav'}=harbour"] if kind == "audio" else []
    done = run(
        "needle", "-m", str(folder), "--kind", kind, "--lengths", "1K", "--trials", "2", *clip, "--json"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kind"] == kind
    assert [each["trials"] for each in report["cells"]] == [2, 2, 2]


def test_a_peer_is_asked_the_same(parrot: Path, tmp_path: Path) -> None:
    """A library of that name, which repeats the prompt's numbers and ends after the first, stands for it."""
    (tmp_path / "llama_cpp.py").write_text(
        "class Llama:\n"
        "    def __init__(self, path, n_ctx, **options):\n"
        "        self.room = n_ctx\n"
        "    def generate(self, ids, temp, repeat_penalty):\n"
        "        assert temp == 0 and len(ids) < self.room\n"
        "        text = bytes(each for each in ids if each < 256)\n"
        "        import re\n"
        "        yield from re.search(rb'key is (.....)', text)[1]\n"
        f"        yield {tiny.END}\n"
        "        raise RuntimeError('nothing is asked for behind the end')\n"
    )
    done = run(
        "needle", "-m", str(parrot), "--lengths", "320,450", "--depths", "0.5",
        "--peer", "llama.cpp", "--json",
        env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{environment()['PYTHONPATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    said = report["peers"]["llama.cpp"]
    assert (said["trials"], said["correct"], said["identical"], report["recall"]) == (2, 2, 0, 0.0)
    assert [row["peers"]["llama.cpp"]["answer"] for row in report["answers"]] == [
        row["expected"][0] for row in report["answers"]
    ]


@pytest.mark.slow
@pytest.mark.weights
def test_a_real_model_finds_it(weights: Callable[[str], Path]) -> None:
    done = run("needle", "-m", str(weights("gemma-3-270m")), "--lengths", "4K", "--depths", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["recall"] == 1
