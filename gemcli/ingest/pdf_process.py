"""The side that asks: one `pdf_worker` process with its answers, and how long to wait for each."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from gemcli.ingest.source import Source

#: Bytes of memory that a worker may take, what it is given through a pipe apart.
MEMORY = 448 << 20

_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from gemcli.ingest.pdf_worker import main; main()"


class Died(Exception):
    """The process ended: PDFium crashed, or took more memory than it may."""


class Late(Exception):
    """The process did not answer in time."""


class PdfProcess:
    """A worker that has a PDF open.

    Args:
        source: the PDF.
        answers: where every answer is put as ``(this, answer)``, at the end None; a queue of its own without.
        memory: bytes that it may take.
    """

    def __init__(
        self,
        source: Source,
        answers: queue.SimpleQueue[tuple[PdfProcess, dict[str, Any] | None]] | None = None,
        memory: int = MEMORY,
    ) -> None:
        self._answers = queue.SimpleQueue() if answers is None else answers
        path = [*(entry for entry in sys.path if Path(entry).is_absolute()), str(Path(__file__).parents[2])]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, *path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = self._process.stdin
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        if source.data is None:
            assert source.path is not None
            self.ask({"path": str(source.path.absolute()), "memory": memory})
        else:
            self.ask({"bytes": len(source.data), "memory": memory + len(source.data)}, source.data)

    def ask(self, request: dict[str, Any], data: bytes = b"") -> None:
        """Send a request; that the process is gone shows in its answers."""
        with suppress(OSError, ValueError):
            self._requests.write(json.dumps(request).encode() + b"\n")
            if data:
                self._requests.write(data)
            self._requests.flush()

    def answer(self, seconds: float) -> dict[str, Any]:
        """The next answer; ``data`` in it is what followed.

        Raises:
            Died: there will be none.
            Late: there is none after `seconds`.
        """
        try:
            _, answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise Late from None
        if answer is None:
            raise Died
        return answer

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        with suppress(OSError):
            self._requests.close()
        self._process.wait()
        self._reader.join()

    def _read(self, stream: BinaryIO) -> None:
        with stream:
            try:
                while line := stream.readline():
                    answer = json.loads(line)
                    if size := answer.get("bytes"):
                        answer["data"] = stream.read(size)
                        if len(answer["data"]) < size:
                            break
                    self._answers.put((self, answer))
            except ValueError:  # half a line: it was killed
                pass
        self._answers.put((self, None))
