"""Damaged PDFs: the worker's part reads or refuses them within a time, with no error of its own.

It runs in one process here, as a process for each of hundreds of variants takes longer than reading them; a
few go the whole way (`test_the_whole_way`).
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from gemcli.errors import InputError
from gemcli.ingest.kinds import PDF
from gemcli.ingest.pdf import read
from gemcli.ingest.source import Source
from gemcli.ingest.wants import Wants
from gemcli.parts import Text

VARIANTS = 300
SECONDS = 60

#: Reads and draws every variant of a PDF that the seed gives; a crash ends the process without the last line.
PROGRAM = r"""
import json, random, sys, time
import io
from gemcli.ingest import pdf_worker as worker

class Nowhere(io.BytesIO):
    def write(self, data):
        return len(data)

whole = sys.stdin.buffer.read()
variants, limit = int(sys.argv[1]), float(sys.argv[2])
counts = {"read": 0, "refused": 0}
began, slowest = time.monotonic(), 0.0
for seed in range(variants):
    generator = random.Random(seed)
    data = bytearray(whole)
    for _ in range(generator.choice([1, 3, 10, 100])):
        at = generator.randrange(len(data))
        kind = generator.randrange(5)
        if kind == 0:
            data[at] ^= 1 << generator.randrange(8)
        elif kind == 1:
            del data[at : at + generator.randrange(1, 200)]
        elif kind == 2:
            data[at:at] = generator.randbytes(generator.randrange(1, 50))
        elif kind == 3:
            other = generator.randrange(len(data))
            data[at : at + 60] = data[other : other + 60]
        else:
            digits = [place for place in range(at, min(at + 400, len(data))) if data[place] in b"0123456789"]
            for place in digits[:3]:
                data[place] = generator.choice(b"0123456789-")
        if len(data) < 50:
            break
    if seed % 10 == 0:
        del data[generator.randrange(len(data)) :]
    start = time.monotonic()
    document = worker._opened(bytes(data), Nowhere())
    counts["refused" if document is None else "read"] += 1
    if document is not None:
        worker._serve(document, {"outline": True}, Nowhere())
        numbers = range(1, min(len(document), 20) + 1)
        worker._serve(document, {"pages": numbers}, Nowhere())
        worker._serve(document, {"sizes": numbers}, Nowhere())
        if seed % 4 == 0 and numbers:
            worker._render(document, 0, 150, 200, Nowhere())
        document.close()
    slowest = max(slowest, time.monotonic() - start)
    if time.monotonic() - began > limit:
        break
print(json.dumps(counts | {"slowest": slowest}))
"""


def fuzz(data, variants=VARIANTS):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(variants), str(SECONDS)],
        input=data,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=3 * SECONDS,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert done.stderr == b""
    return json.loads(done.stdout)


def test_damaged_plain_pdfs(pdf):
    words = [
        "Plain words",
        "on several lines (with brackets)",
        "Iowa      1.2     3.4",
        "Ohio      5.6    7.8",
    ]
    extra = [
        b"<</Type/Outlines/First 11 0 R/Last 12 0 R/Count 2>>",
        b"<</Title(Plain words)/Parent 10 0 R/Next 12 0 R/Dest[13 0 R/Fit]>>",
        b"<</Title(More)/Parent 10 0 R/Prev 11 0 R/Dest[15 0 R/Fit]>>",
    ]
    path = pdf("a.pdf", words, pdf.picture, words, None, title=b"A title", extra=extra,
               catalog_extra=b"/Outlines 10 0 R")  # fmt: skip
    counts = fuzz(path.read_bytes())
    assert counts["read"] + counts["refused"] == VARIANTS
    assert counts["read"] > VARIANTS // 4
    assert counts["refused"] > VARIANTS // 20
    assert counts["slowest"] < 10


def test_damaged_encrypted_pdfs(pdf):
    path = pdf("a.pdf", ["Words under an owner's password"], owner=b"boss")
    counts = fuzz(path.read_bytes(), 100)
    assert counts["read"] + counts["refused"] == 100
    assert counts["slowest"] < 10


def test_damaged_real_pdfs():
    data = (Path(__file__).parents[1] / "data" / "json-mapping.pdf").read_bytes()
    counts = fuzz(data, 30)
    assert counts["read"] + counts["refused"] == 30
    assert counts["slowest"] < 20


@pytest.mark.parametrize("mode", ["auto", "text", "images"])
def test_the_whole_way(pdf, mode):
    whole = pdf("a.pdf", ["Some words on a page"], pdf.picture, ["and on another"]).read_bytes()
    messages = []
    count = 0
    for seed in range(12):
        generator = random.Random(seed)
        data = bytearray(whole)
        for _ in range(30):
            data[generator.randrange(len(data))] = generator.randrange(256)
        wants = Wants(pdf=mode)
        try:
            document = read(Source("x.pdf", None, PDF, bytes(data), wants=wants), lambda done, total: None)
        except InputError as error:
            messages.append(error.message)
        else:
            assert document.parts
            for part in document.parts:
                if isinstance(part, Text):
                    part.text.encode()
            count += 1
    assert count + len(messages) == 12
    assert all(message.startswith("x.pdf ") for message in messages)
