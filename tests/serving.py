"""A real ``gemcli serve`` in a process of its own, and what a client sees of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import compiled

ROOT = Path(__file__).parents[1]
ANSWER = "Yes, gold!"


class Serving:
    """A running ``gemcli serve``.

    Attributes:
        url: where it is, without a slash at its end.
        home: its ``GEMCLI_HOME``.
    """

    def __init__(self, home: Path, model: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        self.home = home
        self._clients: list[Any] = []
        self._log = home / "stderr"
        home.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "gemcli", "serve", "-m", str(model), "--json"]
        words += [] if "--socket" in flags or "--keep-alive" in flags else ["--port", "0"]
        self.environment = environment(home) | (env or {})
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*words, *flags],
                cwd=home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.stderr
        self.ready: dict[str, Any] = json.loads(line)
        self.url = str(self.ready.get("url"))

    @property
    def stderr(self) -> str:
        """What it said so far."""
        return self._log.read_text()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def openai(self, **options: Any) -> Any:
        """The real client; `stop` closes it, since one that is only let go of may leave its socket open."""
        import openai

        options = {"api_key": "none", "max_retries": 0, "timeout": 60} | options
        self._clients.append(openai.OpenAI(base_url=f"{self.url}/v1", **options))
        return self._clients[-1]

    def post(self, body: Any, path: str = "/v1/chat/completions", **headers: str) -> tuple[int, Any]:
        """Status and JSON of the answer to a body, which may be bytes or any JSON value."""
        status, _, found = self.request("POST", path, body, **headers)
        return status, found

    def request(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON (or text) of an answer."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, data, named)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        told = {name.lower(): value for name, value in response.getheaders()}
        is_json = told.get("content-type", "").startswith("application/json")
        return response.status, told, json.loads(text) if is_json else text.decode()

    def raw(self, data: bytes = b"", timeout: float = 30) -> socket.socket:
        """A bare connection, with some bytes sent."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        made.sendall(data)
        return made

    def metric(self, name: str) -> float:
        """A value of ``/metrics``; 0 where there is none yet."""
        lines = self.request("GET", "/metrics")[2].splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0.0)

    def wait_for(self, name: str, value: float, within: float = 10.0) -> None:
        """Wait until a metric has a value."""
        deadline = time.monotonic() + within
        while self.metric(name) != value:
            assert time.monotonic() < deadline, f"{name} is {self.metric(name)}, not {value}"
            time.sleep(0.02)

    def stop(self) -> int:
        """End it, however it is; returns its exit code."""
        for client in self._clients:
            client.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def environment(home: Path) -> dict[str, str]:
    """What a command of its own home sees."""
    compiled.share(home)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GEMCLI_")}
    return kept | {"GEMCLI_HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TERM": "dumb",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }  # fmt: skip
