"""Chat on a terminal: what is typed, and what is seen of it."""

from __future__ import annotations

import json
import os
import stat


def test_a_conversation(chat, place):
    place.file("a.md")
    terminal = chat("a.md", pieces=["**Hel", "lo** world."])
    terminal.enter("Who?")
    terminal.until("Hello world.")
    terminal.enter("And who?")
    terminal.until(lambda text: text.count("Hello world.") == 2)
    terminal.enter("/exit")
    assert terminal.end() == 0
    assert terminal.text().split("\n") == [
        "gemcli: /help lists what can be done; Ctrl-D leaves",
        "> Who?",
        "Hello world.",
        "",
        "> And who?",
        "Hello world.",
        "",
        "> /exit",
    ]
    terminal.is_sane()
    lines = place.home / "chat-lines"
    assert stat.S_IMODE(lines.stat().st_mode) == 0o600
    assert "+Who?\n" in lines.read_text()
    [conversation] = json.loads(place.gemcli("history", "list", "-o", "json"))["conversations"]
    assert conversation["turns"] == 2

    terminal = chat("-c", "--private", echo=True)
    terminal.until("so far: 2")
    terminal.prompt()
    terminal.type("\x1b[A")  # what was typed the last time is not looked at either
    terminal.enter("A secret.")
    terminal.enter("/save talk.json")
    terminal.until("3 turns saved in talk.json")
    terminal.enter("\x04")
    assert terminal.end() == 0
    assert "secret" not in lines.read_text()
    assert [each["question"] for each in json.loads((place.folder / "talk.json").read_text())["turns"]] == [
        *["Who?", "And who?", "A secret."]
    ]
    [conversation] = json.loads(place.gemcli("history", "list", "-o", "json"))["conversations"]
    assert conversation["turns"] == 2


def test_messages_of_many_lines(chat, place):
    terminal = chat("--no-log")
    terminal.prompt()
    terminal.type("one\x1b\rtwo\x0athree\r")  # Alt-Enter, Ctrl-J
    terminal.until("Hello world.")
    terminal.prompt()
    terminal.type("\x1b[200~pasted\nin  lines\n\nof three\x1b[201~ and more\r")
    terminal.until(lambda text: text.count("Hello world.") == 2)
    terminal.prompt()
    terminal.type('"""first\r')
    terminal.until("… ")
    terminal.type('/second\r"""\r')
    terminal.until(lambda text: text.count("Hello world.") == 3)
    terminal.enter("//etc/passwd is what?")
    terminal.until(lambda text: text.count("Hello world.") == 4)
    terminal.enter("/save talk.json")
    terminal.until("4 turns saved")
    terminal.enter("/exit")
    assert terminal.end() == 0
    turns = json.loads((place.folder / "talk.json").read_text())["turns"]
    assert [each["question"] for each in turns] == [
        "one\ntwo\nthree",
        "pasted\nin  lines\n\nof three and more",
        "first\n/second",
        "/etc/passwd is what?",
    ]
    terminal.is_sane()
    assert not (place.home / "chat-lines").exists()


def test_what_is_begun_is_completed(chat, place):
    place.file("quarterly report.md")
    place.file("other.md")
    (place.folder / "folder").mkdir()
    terminal = chat()
    terminal.prompt()
    terminal.type("/fi\t")
    terminal.until("> /files")
    terminal.type("\r")
    terminal.until("there are no documents")
    terminal.prompt()
    terminal.type("/add ot\t")
    terminal.until("> /add other.md")
    terminal.type(" qu\t")
    terminal.until("> /add other.md quarterly\\ report.md")
    terminal.type("\r")
    terminal.until("2 documents will be shown")
    terminal.prompt()
    terminal.type("/drop ot\t")
    terminal.until("> /drop other.md")
    terminal.type("\r")
    terminal.until("other.md is forgotten")
    terminal.prompt()
    terminal.type("/save fol\t")
    terminal.until("> /save folder/")
    terminal.interrupt()
    terminal.enter("/files")
    terminal.until("1  quarterly report.md  comes with the next question")
    terminal.enter("/exit")
    assert terminal.end() == 0


def test_ctrl_c_at_the_prompt(chat):
    terminal = chat()
    terminal.prompt()
    terminal.type("half a quest")
    terminal.until("> half a quest")
    terminal.interrupt()
    terminal.prompt()
    terminal.interrupt()
    terminal.until("Ctrl-C again, or Ctrl-D, leaves")
    terminal.prompt()
    terminal.type("x")
    terminal.until("> x")
    terminal.interrupt()
    terminal.prompt()
    assert terminal.text().count("Ctrl-C again") == 1, "a line was given up in between"
    terminal.interrupt()
    terminal.until(lambda text: text.count("Ctrl-C again") == 2)
    terminal.prompt()
    terminal.interrupt()
    assert terminal.end() == 0
    terminal.is_sane()


def test_keys_wait_for_the_prompt(chat):
    """What is typed under an answer is neither drawn into it nor lost."""
    terminal = chat(pieces=["a long ", *["word "] * 20], delay=0.05)
    terminal.enter("First?")
    terminal.until("a long word word")
    terminal.type("Second?\r/undo\r")
    terminal.until("taken back: Second?")
    terminal.enter("/exit")
    assert terminal.end() == 0
    answer = f"a long {'word ' * 20}".strip()
    flowing = " ".join(terminal.text().split())
    assert flowing.endswith(f"> First? {answer} > Second? {answer} > /undo taken back: Second? > /exit"), (
        terminal.text()
    )
    terminal.is_sane()


def test_keys_are_not_drawn_into_the_answer_of_ask(chat):
    """An Enter that the terminal shows moves the cursor, and what was drawn is drawn again below itself."""
    terminal = chat("What?", command="ask", pieces=["a long ", *["word "] * 30], delay=0.05)
    terminal.until("a long word word")
    terminal.type("ls\r\r\r")
    assert terminal.end() == 0
    terminal.is_sane()
    assert " ".join(terminal.text().split()) == f"a long {'word ' * 30}".strip()


def test_a_second_interrupt_of_ask_leaves_the_terminal_sane(chat):
    terminal = chat("What?", command="ask", stall="prefill", stall_s=30)
    terminal.until("prefill")
    terminal.type("\x03\x03")
    assert terminal.end() == 130
    terminal.is_sane()


def test_answers_to_a_file(chat, place):
    with (place.folder / "out").open("wb") as out:
        terminal = chat(stdout=out.fileno())
        terminal.enter("Who?")
        terminal.enter("Again?")
        terminal.enter("/files")
        terminal.until("there are no documents")
        terminal.enter("\x04")
        assert terminal.end() == 0
    assert (place.folder / "out").read_text() == "Hello world.\n\nHello world.\n"
    assert "Hello" not in terminal.text()
    terminal.is_sane()


def test_the_clipboard(chat):
    terminal = chat(pieces=["Größe: **1**"])
    terminal.enter("/copy")
    terminal.until("there is no answer to copy")
    terminal.enter("Size?")
    terminal.enter("/copy")
    terminal.until("given to the terminal's clipboard")
    terminal.enter("/exit")
    assert terminal.end() == 0
    assert b"\x1b]52;c;R3LDtsOfZTogKioxKio=\a" in terminal.bytes


def test_what_drives_a_terminal_is_kept_from_it(chat, place):
    name = "a\x1b]0;owned\x07\x1b[2Jb.md"
    place.file(name)
    terminal = chat(name, pieces=["before\x1b[2J\x1b]52;c;aGk=\x07after\x9b31m"])
    terminal.enter("Who?")
    terminal.until("beforeafter")
    terminal.enter("/files")
    terminal.until("1  a\\x1b]0;owned\\x07\\x1b[2Jb.md")
    terminal.enter("/plan")
    terminal.until("instructions and 1 turn")
    terminal.enter("/drop 1")
    terminal.until("is forgotten")
    terminal.prompt()
    terminal.type("/add \t")
    terminal.until("b.md")
    terminal.interrupt()
    terminal.enter("/exit")
    assert terminal.end() == 0
    for sequence in (b"\x1b]0;", b"\x1b[2J", b"\x1b]52", b"\x9b"):
        assert sequence not in terminal.bytes
    terminal.is_sane()


def test_a_dumb_terminal(chat, place):
    terminal = chat(environment={"TERM": "dumb"}, pieces=["**Hello** world."])
    terminal.until(lambda text: text.endswith("\n>"))
    terminal.type("Who?\r")
    terminal.until("**Hello** world.")
    terminal.until(lambda text: text.endswith("\n>"))
    terminal.type('"""one\r')
    terminal.until("…")
    terminal.type('two"""\r')
    terminal.until(lambda text: text.count("Hello") == 2 and text.endswith("\n>"))
    terminal.interrupt()
    terminal.until("Ctrl-C again")
    terminal.type("/save talk.json\r")
    terminal.until("2 turns saved")
    terminal.type("\x04")
    assert terminal.end() == 0
    terminal.is_sane()
    assert b"\x1b" not in terminal.bytes
    turns = json.loads((place.folder / "talk.json").read_text())["turns"]
    assert [each["question"] for each in turns] == ["Who?", "one\ntwo"]


def test_no_colour(chat):
    terminal = chat(environment={"NO_COLOR": "1"}, pieces=["`code` **bold**"])
    terminal.enter("Who?")
    terminal.until("code bold")
    terminal.prompt()
    terminal.type("/\t")
    terminal.until("Leave.")
    terminal.interrupt()
    terminal.enter("/exit")
    assert terminal.end() == 0
    assert b"\x1b[1m" in terminal.bytes
    assert not any(f"\x1b[{code}".encode() in terminal.bytes for code in (31, 32, 33, 36, "38;", "48;"))


def test_errors_do_not_end_it(chat, place):
    place.file("a.md")
    terminal = chat()
    for line, said in (
        ("/add nothing.md", "nothing.md: no such file"),
        ("/add -", "stdin is no document here"),
        ("/nope", "there is no /nope"),
        ("/filse", "Did you mean /files"),
        ("/model nowhere.gguf", "nowhere.gguf"),
        ("/etc/passwd what is it", "/add /etc/passwd shows the file"),
        ("/drop 7", "there is no document '7'"),
        ("/undo", "nothing to take back"),
        ("/retry", "nothing was asked yet"),
        ("/save", "/save needs the name"),
        ("/add 'a", "no closing quotation"),
        ("/add a.md", "1 document will be shown"),
    ):
        terminal.enter(line)
        terminal.until(said)
    os.remove(place.folder / "a.md")  # noqa: PTH107 - a path
    terminal.enter("What?")
    terminal.until("a.md: no such file")
    place.file("a.md")
    terminal.enter("What?")
    terminal.until("Hello world.")
    terminal.enter("/save .")
    terminal.until("is there already")
    terminal.enter("/help")
    terminal.until("Ctrl-J")
    terminal.enter("/exit")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.text()
