"""How 32 clients fare at once over HTTP, beside one after another, and whether each is told the same.

Run as ``python tests/crowd.py MODEL TOKENS``, TOKENS being those of an answer, with the `openai` package.  It
starts `gemcli serve` and prints a line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

THINGS = [
    "rivers", "bridges", "whales", "copper", "violins", "chess", "tea", "glass",
    "maps", "clocks", "bread", "ships", "wool", "salt", "paper", "bells",
    "kites", "silk", "ink", "honey", "coal", "ice", "cork", "drums",
    "pearls", "roses", "wheat", "stars", "sand", "lakes", "owls", "jazz",
]  # fmt: skip


def ask(client: Any, about: str, tokens: int) -> tuple[str, int]:
    """An answer, and how many tokens it has."""
    question = {"role": "user", "content": f"Tell me about {about}."}
    said = client.chat.completions.create(
        model="default", max_tokens=tokens, temperature=0, messages=[question]
    )
    return said.choices[0].message.content, said.usage.completion_tokens


def measure(client: Any, tokens: int) -> dict[str, Any]:
    """Ask everything one after another, then all at once."""

    def all_at_once(prefix: str = "") -> list[tuple[str, int]]:
        with ThreadPoolExecutor(len(THINGS)) as threads:
            return list(threads.map(lambda about: ask(client, prefix + about, tokens), THINGS))

    ask(client, "a warm-up", tokens)
    began = time.perf_counter()
    alone = [ask(client, about, tokens) for about in THINGS]
    alone_s = time.perf_counter() - began
    all_at_once("old ")  # compiles; not counted
    began = time.perf_counter()
    together = all_at_once()
    together_s = time.perf_counter() - began
    one, all_ = sum(each[1] for each in alone) / alone_s, sum(each[1] for each in together) / together_s
    return {
        "clients": len(THINGS),
        "tokens_per_s": round(all_, 2),
        "alone_tokens_per_s": round(one, 2),
        "ratio": round(all_ / one, 3),
        "identical": sum(mine[0] == other[0] for mine, other in zip(alone, together, strict=True)),
    }


def main() -> None:
    import openai

    model, tokens = sys.argv[1], int(sys.argv[2])
    command = [
        sys.executable,
        "-m",
        "gemcli",
        "serve",
        "-m",
        model,
        "--json",
        "--port",
        "0",
        "--parallel",
        "32",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=600)
            print(json.dumps(measure(client, tokens)))
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
