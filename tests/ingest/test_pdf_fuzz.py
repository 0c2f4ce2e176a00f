"""Damaged PDFs: the handler reads them or refuses them, in bounded time, and PDFium never takes us down."""

import json
import os
import subprocess
import sys

VARIANTS = 400
SECONDS = 60

#: Reads every variant of a PDF that the seed gives; a crash of PDFium ends the process without the last line.
PROGRAM = r"""
import json, random, sys, time
from gemcli.errors import GemcliError
from gemcli.ingest.pdf import read
from gemcli.ingest.source import Source

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
    try:
        document = read(Source("x.pdf", None, "application/pdf", bytes(data)), lambda done, total: None)
        for part in document.parts:
            part.text.encode()
        counts["read"] += 1
    except GemcliError as error:
        assert error.exit_code == 3, error
        counts["refused"] += 1
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
    words = ["Plain words", "on several lines (with brackets)"]
    path = pdf("a.pdf", words, pdf.picture, words, None, title=b"A title")
    counts = fuzz(path.read_bytes())
    assert counts["read"] + counts["refused"] == VARIANTS
    assert counts["read"] > VARIANTS // 4
    assert counts["refused"] > VARIANTS // 20
    assert counts["slowest"] < 10


def test_damaged_encrypted_pdfs(pdf):
    path = pdf("a.pdf", ["Words under an owner's password"], owner=b"boss")
    counts = fuzz(path.read_bytes(), 150)
    assert counts["read"] + counts["refused"] == 150
    assert counts["slowest"] < 10
