"""``--host``: a question is answered elsewhere as it would be here."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import tiny
import whole
from serving import ANSWER, Serving, environment

from gemcli import wire
from gemcli.parts import Anchor, Document, Text
from gemcli.request import Request
from gemcli.server import own
from gemcli.server.faults import Fault

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights that sees and hears."""
    return whole.write(tmp_path_factory.mktemp("seeing") / "g4", "gemma4")


@pytest.fixture(scope="module")
def server(seeing: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of it."""
    made = Serving(tmp_path_factory.mktemp("server") / "home", seeing)
    yield made
    made.stop()


def run(folder: Path, *words: str, stdin: bytes | None = None, **env: str) -> subprocess.CompletedProcess:
    """``gemcli`` in a folder, with a home of its own."""
    return subprocess.run(
        [sys.executable, "-m", "gemcli", *words],
        cwd=folder,
        env=environment(folder / "home") | env,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=120,
    )


def told(done: subprocess.CompletedProcess) -> dict[str, Any]:
    """The contract's object without what differs from run to run."""
    found = json.loads(done.stdout)
    for name in ("id", "timings", "model"):
        found.pop(name)
    for name in ("model", "estimate"):
        found["plan"].pop(name, None)
    return found


def test_the_answer_is_that_of_the_same_machine(server: Serving, seeing: Path, tmp_path: Path) -> None:
    """Files of several kinds, a folder, a range, what is piped in: all the same but the times."""
    PIL.Image.linear_gradient("L").resize((96, 64)).save(tmp_path / "a.png")
    (tmp_path / "b.pdf").write_bytes((DATA / "json-mapping.pdf").read_bytes())
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "c.md").write_text("# Gold\nIt is gold.\nReally.\n")
    (tmp_path / "notes" / "d.bin").write_bytes(bytes(range(256)) * 8)
    words = [
        "ask",
        "What?",
        "a.png",
        "b.pdf#page=1",
        "notes",
        "-",
        "--max-tokens",
        "16",
        "--json",
        "--no-log",
    ]
    # A server answers many and drafts for none.
    here = run(tmp_path, *words, "-m", str(seeing), "--no-speculate", stdin=b"x,y\n1,2\n")
    there = run(tmp_path, *words, "--host", server.url, stdin=b"x,y\n1,2\n")
    assert here.returncode == there.returncode == 0, there.stderr
    assert told(there) == told(here)
    assert "1 file" in there.stderr.decode(), "what was not read of the folder is told"
    assert "PUT /gemcli/v1/blobs/" in server.stderr
    uploads = server.stderr.count("PUT /gemcli/v1/blobs/")
    again = run(tmp_path, *words, stdin=b"x,y\n1,2\n", GEMCLI_HOST=f"127.0.0.1:{server.port}")
    assert told(again)["answer"] == told(here)["answer"]
    assert server.stderr.count("PUT /gemcli/v1/blobs/") == uploads, "what is there is not sent again"


def test_events_come_as_they_do_here(server: Serving, tmp_path: Path) -> None:
    done = run(tmp_path, "ask", "What?", "--max-tokens", "6", "-o", "stream-json", "--host", server.url)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert (events[0]["type"], events[-1]["type"]) == ("init", "result")
    assert "".join(each["text"] for each in events if each["type"] == "token") == events[-1]["answer"]
    assert {"prefill"} <= {each.get("stage") for each in events}


def test_failures_there_have_the_exit_codes_of_here(server: Serving, tmp_path: Path) -> None:
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 damaged")
    (tmp_path / "long.md").write_text("gold " * 30_000)
    for code, said, words in (
        (3, "bad.pdf", ["What?", "bad.pdf"]),
        (3, "no.md: no such file", ["What?", "no.md"]),
        (4, "too many", ["What?", "long.md", "--overflow", "error"]),
        (5, "not served here", ["What?", "-m", "gpt-9"]),
    ):
        done = run(tmp_path, "ask", *words, "--host", server.url)
        assert done.returncode == code, done.stderr
        assert said in done.stderr.decode()
        assert done.stderr.count(b"gemcli: error: ") == 1
        assert b"Traceback" not in done.stderr
        found = json.loads(run(tmp_path, "ask", *words, "--host", server.url, "--json").stdout)
        assert found["error"]["code"] == code


def test_a_dead_server_or_another_one_is_told(tmp_path: Path) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "9")
            self.end_headers()
            self.wfile.write(b"not found")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        port = other.server_address[1]
        done = run(tmp_path, "ask", "What?", "--host", f"http://127.0.0.1:{port}")
        other.shutdown()
        thread.join()
    assert done.returncode == 1
    assert b"is no gemcli server, or an older one" in done.stderr
    dead = run(tmp_path, "ask", "What?", "--host", f"http://127.0.0.1:{port}")
    assert dead.returncode == 1
    assert b"no server answers at" in dead.stderr
    gone = run(tmp_path, "ask", "What?", "--host", "unix:/nowhere/s.sock")
    assert (gone.returncode, gone.stderr.count(b"no server answers at")) == (1, 1)
    assert run(tmp_path, "ask", "What?", "--host", "http://[::1").returncode == 2


def test_a_key_is_sent_and_the_history_stays_here(tmp_path: Path) -> None:
    parrot = tiny.write_parrot(tmp_path / "p.gguf", [tiny.START, *ANSWER.encode(), tiny.END])
    server = Serving(tmp_path / "server", parrot, env={"GEMCLI_API_KEY": "a-secret-key"})
    try:
        (tmp_path / "a.md").write_text("It is gold.\n")
        words = ["--system", "", "--host", server.url, "--json"]
        done = run(tmp_path, "ask", "Is it?", "a.md", *words, GEMCLI_API_KEY="a-secret-key")
        assert (done.returncode, json.loads(done.stdout)["answer"]) == (0, ANSWER), done.stderr
        wrong = run(tmp_path, "ask", "Is it?", *words, GEMCLI_API_KEY="another-key")
        assert (wrong.returncode, b"GEMCLI_API_KEY" in wrong.stderr) == (1, True)
        listed = run(tmp_path, "history", "list", "--json").stdout
        assert json.loads(done.stdout)["id"].encode() in listed
        more = run(tmp_path, "ask", "-c", "And?", *words, GEMCLI_API_KEY="a-secret-key")
        assert more.returncode == 0, more.stderr
        both = [json.loads(each.stdout)["usage"]["prompt_tokens"] for each in (done, more)]
        assert both[1] > both[0], "the turn before is part of the prompt"
        assert not list(server.home.rglob("*history*"))
    finally:
        server.stop()


def test_a_server_that_dies_in_the_middle_of_an_answer(tmp_path: Path, seeing: Path) -> None:
    server = Serving(tmp_path / "server", seeing)
    words = ["What?", "--max-tokens", "12000", "--temperature", "1", "-o", "stream-json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gemcli", "ask", *words, "--host", server.url],
        cwd=tmp_path,
        env=environment(tmp_path / "home"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["type"] == "token":
            break
    server.process.kill()
    out, err = process.communicate(timeout=60)
    server.stop()
    assert process.returncode == 1
    last = json.loads(out.splitlines()[-1])
    assert (last["type"], last["error"]["code"]) == ("result", 1)
    assert last["answer"], "what had come is not lost"
    assert b"broke off" in err


def test_every_field_of_a_request_travels_or_is_known_to_stay() -> None:
    sent = wire.request_to_json(Request("What?", stop=("x",)))
    assert {each.name for each in fields(Request)} == set(sent) | wire.STAYS
    body = {"protocol": wire.PROTOCOL, "question": "What?", "request": json.loads(json.dumps(sent))}
    asked = own.read(own.parse(json.dumps(body).encode()))
    assert asked.question == "What?"
    again = Request("What?", **asked.fields)
    assert wire.request_to_json(again) == sent


def test_documents_of_an_earlier_run_travel_as_they_were_sent() -> None:
    shown = (Document("a.md", "text/plain", "0" * 64, (Text("It is gold.", Anchor(lines=(1, 1))),)),)
    body = {"protocol": wire.PROTOCOL, "question": "What?", "documents": wire.documents_to_json(shown)}
    assert own.read(own.parse(json.dumps(body).encode())).documents == shown
    for wrong in (["no document"], [3]):
        with pytest.raises(Fault, match="documents are no documents"):
            own.read(own.parse(json.dumps(body | {"documents": wrong}).encode()))


def test_documents_travel_without_their_pictures() -> None:
    from gemcli.parts import Image

    def pixels() -> Any:
        raise AssertionError("nobody looks at it")

    document = Document(
        "a.pdf",
        "application/pdf",
        "0" * 64,
        (Text("It is gold.", Anchor(page=1), "Gold"), Image(8, 8, pixels, Anchor(page=2))),
        ("one",),
        {"pages": 2},
    )
    (found,) = wire.documents_from(wire.documents_to_json([document]))
    assert found.parts[0] == document.parts[0]
    assert (found.source, found.warnings, found.meta) == (document.source, document.warnings, document.meta)
    second = found.parts[1]
    assert isinstance(second, Text)
    assert (second.anchor, second.via) == (Anchor(page=2), "note")
