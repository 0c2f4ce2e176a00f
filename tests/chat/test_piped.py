"""Chat in a pipe: a question a line, for scripts."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest


def test_a_question_a_line(place):
    place.file("a.md")
    done = place.run("a.md", typed="One?\n\n  \nTwo?\r\n/files\nThree?")
    assert (done.returncode, done.stdout) == (0, b"Hello world.\n\nHello world.\n\nHello world.\n")
    assert done.stderr.decode().split() == ["1", "a.md", "51", "tokens"]


def test_nothing_is_asked(place):
    done = place.run(typed="")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_bytes_that_are_no_text(place):
    done = place.run(typed=b"\xef\xbb\xbfOne \xff\xfe?\n/save t.json\n/exit\nnever\n")
    assert done.returncode == 0
    [turn] = json.loads((place.folder / "t.json").read_text())["turns"]
    assert turn["question"] == "One \ufffd\ufffd?"


@pytest.mark.parametrize(("form", "lines"), [("json", 1), ("stream-json", 0)])
def test_an_object_a_turn(place, form, lines):
    done = place.run("-o", form, typed="One?\n/files\nTwo?\n")
    assert done.returncode == 0
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    results = [each for each in objects if "answer" in each]
    assert [each["answer"] for each in results] == ["Hello world."] * 2
    assert len({each["id"] for each in results}) == 1
    assert not lines or len(objects) == 2
    if form == "stream-json":
        kinds = [each["type"] for each in objects]
        assert (kinds[0], kinds[-1]) == ("init", "result")
        assert kinds.count("init") == kinds.count("result") == 2


def test_errors_do_not_end_it_and_the_last_decides(place):
    place.file("a.md")
    done = place.run(typed="/add gone.md\n/add a.md\nWhat?\n")
    assert (done.returncode, done.stdout) == (0, b"Hello world.\n")
    assert done.stderr.decode().startswith("gemcli: error: gone.md: no such file\n")
    done = place.run(typed="What?\n/nope\n")
    assert (done.returncode, done.stdout) == (2, b"Hello world.\n")
    assert done.stderr.decode().count("gemcli: error: ") == 1
    done = place.run(typed="What?\n", fail=["prefill", "MemoryError", ""])
    assert (done.returncode, done.stdout) == (6, b"")
    assert done.stderr.decode().count("gemcli: error: ") == 1
    done = place.run("-o", "json", typed="What?\n", fail=["prefill", "MemoryError", ""])
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (6, 6)


def test_what_is_wrong_from_the_start(place):
    for words, code, said in (
        (("gone.md",), 3, "gone.md: no such file"),
        (("-",), 2, "the questions come from stdin"),
        (("/dev/stdin",), 2, "the questions come from stdin"),
        (("--files-from", "-"), 2, "the questions come from stdin"),
    ):
        done = place.run(*words, typed="What?\n")
        assert (done.returncode, done.stdout) == (code, b""), words
        assert said in done.stderr.decode()
        assert done.stderr.decode().count("gemcli: error: ") == 1


def test_taking_back(place):
    """What was taken back is no part of the conversation, here or where it goes on, but of the history."""
    done = place.run(echo=True, typed="One?\nTwo?\n/undo\n/retry\n/save t.json\n")
    said = done.stdout.decode().split()
    assert len(said) == 3
    assert said[0] == said[2], "one answer, given twice, to the same prompt"
    turns = json.loads((place.folder / "t.json").read_text())["turns"]
    assert [(each["question"], each["answer"]) for each in turns] == [("One?", said[0])]
    done = place.run("-c", echo=True, typed="/save u.json\nTwo?\n")
    assert json.loads((place.folder / "u.json").read_text())["turns"][0]["question"] == "One?"
    assert done.stdout.decode().split() == [said[1]]
    found = json.loads(place.gemcli("history", "list", "-o", "json"))["conversations"]
    assert [each["turns"] for each in found] == [4]


def test_documents_that_are_forgotten_and_shown_again(place):
    (place.folder / "notes").mkdir()
    place.file("notes/a.md")
    place.file("notes/b.md", "Another one.")
    place.file("c.md")
    done = place.run(
        "notes", "--no-log",
        typed="/drop notes/a.md\nOne?\n/add c.md\n/files\n/drop 1\n/files\n/undo\n/files\nTwo?\n/files\n",
    )  # fmt: skip
    assert done.returncode == 0
    assert [re.sub(r" +", " ", line.strip()) for line in done.stderr.decode().splitlines()] == [
        "notes/a.md is forgotten",
        "1 document will be shown with the next question",
        "1 notes/b.md 45 tokens",
        "2 c.md comes with the next question",
        "notes/b.md is forgotten",
        "1 c.md comes with the next question",
        "taken back: One?",
        "1 c.md comes with the next question",
        "1 c.md 51 tokens",
    ]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full is Linux's")  # noqa: PTH110
@pytest.mark.parametrize("form", ["text", "json"])
def test_answers_that_cannot_be_written_end_it(place, form):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            place.words("-o", form), cwd=place.folder, env=place.environment, input=b"One?\nTwo?\nThree?\n",
            stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "gemcli: error: cannot write to stdout: No space left on device\n"
        "gemcli: hint: Free some space or send the output elsewhere.\n"
    )


def test_what_could_not_be_saved_leaves_nothing(tmp_path, monkeypatch):
    from pathlib import Path

    from gemcli.chat.conversation import Conversation
    from gemcli.chat.saved import save
    from gemcli.request import Request

    opened = Path.open

    def small(path, *arguments, **options):
        file = opened(path, *arguments, **options)
        monkeypatch.setattr(file, "write", fail, raising=False) if path.parent == tmp_path else None
        return file

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", small)
    with pytest.raises(OSError, match="No space"):
        save(Conversation(Request("")), tmp_path / "t.md")
    assert list(tmp_path.iterdir()) == []


def shown(place, *flags, typed, **script):
    """Of each answer: the documents that came with it, and the tokens of its prompt."""
    done = place.run(*flags, "-o", "json", typed=typed, **script)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    sources = [[each["source"] for each in one["plan"]["documents"]] for one in results]
    return list(zip(sources, (one["usage"]["prompt_tokens"] for one in results), strict=True))


def test_what_an_earlier_run_read_is_there_though_its_files_are_gone(place):
    place.file("a.md", "One line.\nThe launch code is 7431.\n")
    [(_, tokens)] = shown(place, "a.md#line=2", typed="What?\n")
    (place.folder / "a.md").unlink()
    done = place.run("-c", "--no-log", typed="/files\n/undo\n/files\n")
    assert [line.split(maxsplit=2)[2] for line in done.stderr.decode().splitlines()[::2]] == [
        "was shown",
        "comes with the next question",
    ]
    assert shown(place, "-c", typed="/retry\n/undo\nWhat?\n/retry\n") == [(["a.md"], tokens)] * 3


def test_what_was_dropped_stays_so_where_it_goes_on(place):
    place.file("a.md")
    place.file("b.md")
    typed = "One?\n/drop a.md\nTwo?\n"
    (_, (_, tokens)) = shown(place, "a.md", "b.md", typed=typed)
    again = shown(place, "-c", typed="/undo\nTwo?\n/drop b.md\n")
    assert again == [([], tokens)]
    [(_, fewer)] = shown(place, "-c", typed="/undo\nTwo?\n")
    assert fewer < tokens
    turns = json.loads(place.gemcli("history", "show", "-o", "json"))["turns"]
    assert [(one["source"], one["dropped"]) for one in turns[0]["documents"]] == [
        ("a.md", True),
        ("b.md", True),
    ]


def test_examples_come_once(place):
    place.file("a.md")
    typed = "One?\nTwo?\n/undo\n/undo\nThree?\n/retry\nFour?\n/save t.json\n"
    one, two, three, again, four = shown(place, "--example", "a.md=yes", typed=typed)
    assert three[1] == again[1] == one[1] + 2 * len("ee"), "the examples are there again, with their question"
    assert four[1] - three[1] == two[1] - one[1] + 1, "and are not asked anew with the second"
    turns = json.loads((place.folder / "t.json").read_text())["turns"]
    assert [each["question"] for each in turns] == ["Three?", "Four?"]
    turns = json.loads(place.gemcli("history", "show", "-o", "json"))["turns"]
    kept = [(each["kind"], each["question"]) for each in turns if each["finish_reason"] != "undone"]
    assert kept == [("example", "Three?"), ("asked", "Three?"), ("asked", "Four?")]
    [(_, tokens)] = shown(place, "-c", typed="Five?\n")
    assert tokens - four[1] == four[1] - three[1]


def test_a_retry_says_that_it_is_drawn(place):
    done = place.run(typed="One?\n/retry\n")
    assert done.stderr.decode() == (
        "gemcli: drawn at a temperature of 0.8: at 0 the answer would be the same again\n"
    )
    assert place.run("--temperature", "0.5", typed="One?\n/retry\n").stderr == b""


def test_a_long_document_is_chosen_from_for_each_question(place):
    chapters = [f"Chapter {n}. The code of city {n} is {n * 7919}. {'Rain fell. ' * 40}" for n in range(60)]
    place.file("long.md", "\n\n".join(chapters))
    questions = [f"What is the code of city {n}?" for n in (3, 31, 59, 12, 44, 7)]
    done = place.run("long.md", "--no-log", "-o", "json", window=4096, typed="\n".join(questions))
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["error"] for each in results] == [None] * 6
    assert {each["read"]["overflow"] for each in results} == {"select"}
    for each in results:
        assert each["usage"]["prompt_tokens"] <= 4096 - 512
        assert each["read"]["tokens_read"] >= 500
    left_out = [[one for one in each["warnings"] if "left out from now on" in one] for each in results]
    assert left_out[0] == []
    assert any(left_out), "the window cannot hold the passages of six questions"


def test_a_long_conversation_goes_on_with_what_was_left_of_it(place):
    chapters = [f"Chapter {n}. The code of city {n} is {n * 7919}. {'Rain fell. ' * 40}" for n in range(60)]
    place.file("long.md", "\n\n".join(chapters))
    questions = [f"What is the code of city {n}?" for n in (3, 31, 59, 12, 44, 7)]
    *_, (_, tokens) = shown(place, "long.md", typed="\n".join(questions), window=4096)
    [(_, again)] = shown(place, "-c", typed="/undo\n/plan\nWell?\n", window=4096)
    assert again < tokens


def test_a_conversation_that_outgrows_the_window(place):
    place.file("a.md", "word " * 300)
    done = place.run("a.md", window=2048, typed=f"One?\n{'and more ' * 60}\n/undo\nTwo?\n")
    assert done.returncode == 0
    said = done.stderr.decode()
    assert "too many" in said
    assert "/undo takes the last turn back" in said
    assert done.stdout.decode().count("Hello world.") == 2


def test_a_template(place):
    (place.folder / "t.yaml").write_text("prompt: 'In $language: $input'\nsystem: Be brief.\n")
    done = place.run("-t", "t.yaml", "-p", "language=German", typed="One?\nTwo?\n/save t.json\n")
    assert done.returncode == 0, done.stderr
    turns = json.loads((place.folder / "t.json").read_text())["turns"]
    assert [each["question"] for each in turns] == ["In German: One?", "In German: Two?"]
    (place.folder / "u.yaml").write_text("prompt: Summarize it.\n")
    done = place.run("-t", "u.yaml", typed="Shorter!\n/save u.json\n")
    turns = json.loads((place.folder / "u.json").read_text())["turns"]
    assert [each["question"] for each in turns] == ["Summarize it.", "Shorter!"]
    assert done.stdout == b"Hello world.\n\nHello world.\n"


def test_an_instruction_and_a_model(place):
    (place.folder / "other.gguf").write_bytes(b"x")
    done = place.run(
        "-o", "json", echo=True,
        typed="One?\n/undo\n/system Speak Latin.\nOne?\n/undo\n/system\n/model other.gguf\nOne?\n/model\n",
    )  # fmt: skip
    plain, latin, other = (json.loads(line) for line in done.stdout.splitlines())
    assert plain["answer"] == other["answer"] != latin["answer"]
    assert (plain["model"], other["model"]) == ("m.gguf", "other.gguf")
    assert done.stderr.decode().rstrip().endswith("the model is other.gguf")


def test_private_leaves_nothing(place):
    place.file("a.md")
    done = place.run("a.md", "--private", typed="One?\nTwo?\n/undo\n")
    assert done.returncode == 0
    assert not place.home.exists() or not [each for each in place.home.rglob("*") if each.is_file()]
