"""The whole printer, in a process of its own, on real terminals and in real pipes."""

import json
import os
import signal
import subprocess
import time

import pytest

ANSWER = 'ui(Token("**Hel")); ui(Token("lo** world\\n\\n- one"))'
RESULT = 'ui(Result({"answer": "x", "usage": {"prompt_tokens": 7}, "timings": {"total_s": 1.5}}))'
WORK = """
ui(Init("c", "m"))
ui(Progress("ingest", 1, 2, "files", "a.pdf"))
time.sleep(0.2)
ui(Progress("prefill", 1, 2, "tokens"))
time.sleep(0.2)
"""


def run(kit, script, **options):
    process = kit.produce(
        script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **options
    )
    out, err = process.communicate(timeout=30)
    return process.returncode, out.decode(), err.decode()


def on_terminal(kit, script, *, columns=60, stdout=True, stderr=True, meanwhile=None, **options):
    """Run on a pseudo-terminal; (exit code, terminal's transcript, its bytes, what went to pipes)."""
    with kit.PseudoTerminal(columns, 12) as terminal:
        process = kit.produce(
            script,
            stdin=terminal.slave,
            stdout=terminal.slave if stdout else subprocess.PIPE,
            stderr=terminal.slave if stderr else subprocess.PIPE,
            **options,
        )
        if meanwhile:
            meanwhile(process, terminal)
        out, err = process.communicate(timeout=30)
        return (
            process.returncode,
            terminal.sync().transcript(),
            terminal.output(),
            (out or b"") + (err or b""),
        )


# pipes


def test_a_pipe_gets_only_the_answer(kit):
    code, out, err = run(kit, WORK + ANSWER + ';ui(Warning("careful"));ui(Thought("hm"));' + RESULT)
    assert (code, out) == (0, "**Hello** world\n\n- one\n")
    assert err == "gemcli: warning: careful\nhm\n"


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {}])
def test_a_pipe_has_no_escape_sequence(kit, variables):
    code, out, err = run(kit, WORK + ANSWER + ";" + RESULT, environ=variables, ui="verbose=1, usage=True")
    assert code == 0
    assert "\x1b" not in out + err
    assert err.splitlines()[0] == "gemcli: model m"
    assert err.splitlines()[-1] == "gemcli: 7 prompt tokens, total 1.50 s"
    assert any(line.startswith("gemcli: reading a.pdf, 1/2 files") for line in err.splitlines())


def test_forced_colour_in_a_pipe_styles_finished_lines(kit):
    code, out, _ = run(kit, ANSWER + ";" + RESULT, environ={"FORCE_COLOR": "1"})
    assert code == 0
    assert out == "\x1b[1mHello\x1b[0m world\n\n\x1b[2m • \x1b[0mone\n"
    code, out, _ = run(kit, ANSWER + ";" + RESULT, environ={"FORCE_COLOR": "1"}, ui="raw=True")
    assert out == "**Hello** world\n\n- one\n"


def test_quiet_hides_progress_and_keeps_warnings(kit):
    _, _, err = run(kit, WORK + 'ui(Warning("careful"));' + ANSWER, ui="quiet=True, verbose=1")
    assert err == "gemcli: warning: careful\n"


def test_each_token_is_seen_while_the_next_is_computed(kit):
    process = kit.produce(
        'ui(Token("first"));time.sleep(30)', stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert os.read(process.stdout.fileno(), 100) == b"first"
    process.kill()
    process.communicate()


@pytest.mark.parametrize("output", ["text", "json", "stream-json"])
def test_a_failure_goes_to_stderr_with_its_hint(kit, output):
    code, out, err = run(
        kit,
        'ui(Token("half"));raise InputError("no such file: a.pdf", "Check the name.")',
        ui=f"output={output!r}",
    )
    assert code == 3
    assert err == "gemcli: error: no such file: a.pdf\ngemcli: hint: Check the name.\n"
    if output == "text":
        assert out == "half\n"
    else:
        last = json.loads(out.splitlines()[-1])
        assert last["error"] == {"code": 3, "message": "no such file: a.pdf"}
        assert last["answer"] == "half"


def test_json_is_one_object_and_nothing_else(kit):
    _, out, err = run(kit, WORK + ANSWER + ';ui(Warning("w"));' + RESULT, ui="output='json'")
    assert out.count("\n") == 1
    assert json.loads(out)["answer"] == "x"
    assert err == "gemcli: warning: w\n"


def test_stream_json_is_lines_of_objects(kit):
    _, out, _ = run(kit, WORK + ANSWER + ";" + RESULT, ui="output='stream-json'")
    assert [json.loads(line)["type"] for line in out.splitlines()] == [
        *["init", "progress", "progress", "token", "token", "result"],
    ]


@pytest.mark.parametrize("ui", ["", "raw=True", "output='stream-json'"])
@pytest.mark.parametrize(
    "script",
    [
        'for n in range(100_000): ui(Token(f"line {n}\\n"))',
        'ui(Token("line 0\\n"));time.sleep(0.3)\nfor n in range(200): ui(Progress("load", n, None, "x"))',
    ],
)
def test_head_ends_it_soon_and_quietly(kit, script, ui):
    producer = kit.produce(script, ui=ui, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    head = subprocess.run(["head", "-1"], stdin=producer.stdout, capture_output=True, timeout=20, check=True)
    producer.stdout.close()
    began = time.monotonic()
    assert producer.wait(timeout=20) == 141
    assert time.monotonic() - began < 5
    assert head.stdout.rstrip() in (b"line 0", b'{"type": "token", "text": "line 0\\n"}')
    assert producer.stderr.read() == b""
    producer.stderr.close()


def test_a_reader_that_leaves_during_the_prefill(kit):
    """``| true``: noticed at the next progress, long before there is a token to write."""
    script = 'for n in range(3000):\n ui(Progress("prefill", n, 3000, "tokens"));time.sleep(0.01)'
    producer = kit.produce(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    producer.stdout.close()
    assert producer.wait(timeout=20) == 141
    assert producer.stderr.read() == b""
    producer.stderr.close()


@pytest.mark.parametrize("ui", ["", "output='json'", "output='stream-json'"])
def test_an_interrupt_in_a_pipe(kit, ui):
    script = 'ui(Token("half"));print("ready", file=sys.stderr, flush=True);time.sleep(30)'
    process = kit.produce(script, ui=ui, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == b""
    if ui:
        last = json.loads(out.splitlines()[-1])
        assert (last["answer"], last["finish_reason"], last["error"]["code"]) == ("half", "interrupt", 130)
    else:
        assert out == b"half\n"


# terminals


def test_a_terminal_shows_markdown_and_the_bar_is_gone(kit):
    code, transcript, output, _ = on_terminal(kit, WORK + ANSWER + ";" + RESULT, ui="usage=True")
    assert code == 0
    assert transcript == ["Hello world", "", " • one", "gemcli: 7 prompt tokens, total 1.50 s"]
    assert b"reading" in output
    assert b"prefill" in output
    assert b"\x1b[?25l" not in output


@pytest.mark.parametrize(("environ", "ui"), [({"TERM": "dumb"}, ""), ({}, "raw=True, quiet=True")])
def test_a_dumb_terminal_and_raw_are_plain(kit, environ, ui):
    _, transcript, output, _ = on_terminal(kit, WORK + ANSWER + ";" + RESULT, environ=environ, ui=ui)
    assert transcript == ["**Hello** world", "", "- one"]
    assert b"\x1b" not in output


def test_no_color_on_a_terminal(kit):
    _, transcript, output, _ = on_terminal(
        kit, WORK + ANSWER + ';ui(Token(" `code`"));' + RESULT, environ={"NO_COLOR": "1"}
    )
    assert transcript == ["Hello world", "", " • one code"]
    assert b"\x1b[1m" in output
    assert b"\x1b[3" not in output


def test_the_bar_is_drawn_when_only_stderr_is_a_terminal(kit):
    code, transcript, output, piped = on_terminal(kit, WORK + ANSWER, stdout=False)
    assert (code, piped) == (0, b"**Hello** world\n\n- one\n")
    assert "━".encode() in output
    assert transcript == []


def test_no_bar_when_stderr_is_no_terminal(kit):
    _, transcript, output, piped = on_terminal(kit, WORK + ANSWER, stderr=False)
    assert transcript == ["Hello world", "", " • one"]
    assert b"reading" not in output + piped


def test_warnings_do_not_disturb_the_bar_or_the_answer(kit):
    script = (
        WORK
        + 'ui(Warning("during the work"));ui(Warning("during the work"))\ntime.sleep(0.3)\n'
        + 'ui(Token("half a "));time.sleep(0.3);ui(Warning("in the middle"));time.sleep(0.3)\n'
        + 'ui(Token("line"));'
        + 'ui(Warning("during the work"));'
        + RESULT
    )
    _, transcript, output, _ = on_terminal(kit, script)
    assert transcript == [
        "gemcli: warning: during the work",
        "gemcli: warning: in the middle",
        "half a line",
    ]
    assert b"\x1b[1;33mwarning:" in output
    _, transcript, _, _ = on_terminal(kit, script, ui="raw=True")
    assert transcript == [
        "gemcli: warning: during the work",
        "half a",
        "gemcli: warning: in the middle",
        "line",
    ]


def test_the_end_of_a_burst_is_shown_without_another_token(kit):
    seen = []

    def look(process, terminal):
        deadline = time.monotonic() + 20
        while not seen and time.monotonic() < deadline:
            if b"a b c d" in terminal.output():
                seen.append(process.poll())
            time.sleep(0.02)
        process.kill()

    script = 'for piece in ["a", " b", " c", " d"]: ui(Token(piece))\ntime.sleep(60)'
    on_terminal(kit, script, stderr=False, meanwhile=look)
    assert seen == [None]


def test_frames_are_few(kit):
    script = "for n in range(400):\n ui(Token('word '))\n time.sleep(0.0025)"
    began = time.monotonic()
    _, _, output, _ = on_terminal(kit, script)
    seconds = time.monotonic() - began
    assert 2 <= output.count(b"\x1b[?2026h") <= 16 * seconds + 2


@pytest.mark.parametrize("moment", ["bar", "answer"])
def test_an_interrupt_leaves_the_terminal_clean(kit, moment):
    script = WORK + ("time.sleep(30)" if moment == "bar" else 'ui(Token("half **an"));time.sleep(30)')
    wanted = b"prefill" if moment == "bar" else b"half"

    def interrupt(process, terminal):
        kit.interrupt_when(process, lambda: wanted in terminal.output())

    code, transcript, output, _ = on_terminal(kit, script, meanwhile=interrupt)
    assert code == 130
    assert transcript == ([] if moment == "bar" else ["half **an"])
    assert b"\x1b[?25l" not in output
    assert output.count(b"\x1b[?7l") == output.count(b"\x1b[?7h")


@pytest.mark.parametrize("moment", ["bar", "answer"])
def test_an_exception_leaves_the_terminal_clean(kit, moment):
    script = WORK + ('ui(Token("half"));' if moment == "answer" else "")
    script += 'raise InputError("bad\\nfile", "Mend it.")'
    code, transcript, _, _ = on_terminal(kit, script)
    assert code == 3
    assert transcript == [
        *(["half"] if moment == "answer" else []),
        "gemcli: error: bad file",
        "gemcli: hint: Mend it.",
    ]


def test_the_error_event_is_shown_after_the_answer_so_far(kit):
    script = 'ui(Token("half"));ui(Error(6, "no memory", "Use a smaller model."))'
    _, transcript, _, _ = on_terminal(kit, script)
    assert transcript == ["half", "gemcli: error: no memory", "gemcli: hint: Use a smaller model."]


def test_what_a_document_says_cannot_drive_the_terminal(kit):
    script = (
        'ui(Progress("ingest", 1, 2, "files", "evil\\x1b[2Jname"));time.sleep(0.2);'
        'ui(Warning("bad\\x1b]0;title\\x07 file"));'
        'ui(Token("a\\x1b"));ui(Token("[2Jb \\u202ec"))'
    )
    _, transcript, output, _ = on_terminal(kit, script)
    assert transcript == ["gemcli: warning: bad file", "ab c"]
    assert b"\x1b[2J" not in output
    assert b"\x1b]0" not in output


def test_json_and_its_lines_on_a_terminal(kit):
    _, transcript, _, _ = on_terminal(kit, WORK + ANSWER + ";" + RESULT, ui="output='json'")
    assert json.loads("".join(transcript))["answer"] == "x"
    _, transcript, _, _ = on_terminal(
        kit, WORK + ANSWER + ";" + RESULT, ui="output='stream-json'", columns=200
    )
    assert [json.loads(line)["type"] for line in transcript][-1] == "result"


def test_a_terminal_that_hangs_up_ends_it_quietly(kit):
    with kit.PseudoTerminal(60, 12) as terminal:
        slave = os.dup(terminal.slave)
        process = kit.produce(
            'os.close(0)\nfor n in range(3000): ui(Token(f"{n}\\n\\n"));time.sleep(0.01)',
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=subprocess.PIPE,
        )
        os.close(slave)
        while b"3" not in terminal.output():
            time.sleep(0.02)
    assert process.wait(timeout=20) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_long_answer_is_cheap(kit):
    """Ten thousand tokens cost the process little more than a few seconds, nearly all of it asleep."""
    script = (
        "import resource\n"
        "for n in range(10_000):\n"
        " ui(Token(['word ', '**bold** ', '`x` ', 'more\\n\\n- item '][n % 4]))\n"
        " if n % 10 == 0: time.sleep(0.002)\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "os.write(2, f'{used.ru_utime + used.ru_stime:.2f}'.encode())"
    )
    _, _, _, seconds = on_terminal(kit, script, stderr=False)
    assert float(seconds) < 4
