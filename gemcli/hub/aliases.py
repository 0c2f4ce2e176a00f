"""Short names of models that come from a hub, whose own listing says which files they are.

No hash stands here: sizes and SHA-256 are the listing's, taken when a model is pulled
(`gemcli.hub.hub_repo`).  What is told of a model before that is what was released: its architecture, and
about how large it is.
"""

from __future__ import annotations

from dataclasses import dataclass

APACHE = ("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0")
GEMMA = ("Gemma Terms of Use", "https://ai.google.dev/gemma/terms")

_TEXT = ("text",)
_SEES = ("text", "image")
_WATCHES = ("text", "image", "video")
_HEARS = ("text", "image", "video", "audio")


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a model of a hub's repository.

    Attributes:
        name: what ``-m`` takes, and under which `model.arch.released` describes it.
        hub: ``hf:OWNER/REPO:QUANT``.
        title: one line about it.
        about: bytes of the download, about.
        licence, licence_url: the terms' short name, and where they can be read.
        window: tokens the model was made for.
        senses: kinds of parts it takes.
    """

    name: str
    hub: str
    title: str
    about: int
    licence: str
    licence_url: str
    window: int
    senses: tuple[str, ...] = _TEXT

    @property
    def total(self) -> int:
        """Bytes of all its files, about."""
        return self.about


def _gemma4(name: str, size: str, about: int, window: int, senses: tuple[str, ...], text: str) -> Alias:
    hub = f"hf:google/gemma-4-{size}-it-qat-q4_0-gguf:Q4_0"
    return Alias(name, hub, f"Gemma 4 {size}, trained for Q4_0: {text}", about, *APACHE, window, senses)


def _gemma3(size: str, about: int, window: int, senses: tuple[str, ...]) -> Alias:
    hub = f"hf:google/gemma-3-{size}-it-qat-q4_0-gguf:Q4_0"
    title = f"Gemma 3 {size.upper()}, trained for Q4_0"
    return Alias(f"gemma-3-{size}", hub, title, about, *GEMMA, window, senses)


def _gemma2(size: str, about: int) -> Alias:
    hub = f"hf:bartowski/gemma-2-{size}-it-GGUF:Q4_K_M"
    return Alias(f"gemma-2-{size}", hub, f"Gemma 2 {size.upper()}, Q4_K_M", about, *GEMMA, 8192)


def _folder(name: str, repo: str, title: str, about: int) -> Alias:
    return Alias(name, f"hf:google/{repo}:safetensors", title, about, *GEMMA, 8192)


ALIASES: tuple[Alias, ...] = (
    _gemma4("gemma-4-e2b", "E2B", 4_340_000_000, 131_072, _HEARS, "for accelerators with little memory"),
    _gemma4("gemma-4-e4b", "E4B", 6_140_000_000, 131_072, _HEARS, "the default on an accelerator"),
    _gemma4("gemma-4-12b", "12B", 7_150_000_000, 262_144, _HEARS, "no encoders before the decoder"),
    _gemma4("gemma-4-26b-a4b", "26B-A4B", 15_600_000_000, 262_144, _WATCHES, "a mixture of experts"),
    _gemma4("gemma-4-31b", "31B", 18_900_000_000, 262_144, _WATCHES, "the best of its family"),
    _gemma3("1b", 1_000_000_000, 32_768, _TEXT),
    _gemma3("4b", 4_010_000_000, 131_072, _SEES),
    _gemma3("12b", 8_920_000_000, 131_072, _SEES),
    _gemma3("27b", 18_090_000_000, 131_072, _SEES),
    _gemma2("2b", 1_710_000_000),
    _gemma2("9b", 5_760_000_000),
    _gemma2("27b", 16_650_000_000),
    _folder("gemma-2b", "gemma-1.1-2b-it", "Gemma 1.1 2B", 5_030_000_000),
    _folder("gemma-7b", "gemma-1.1-7b-it", "Gemma 1.1 7B", 17_100_000_000),
    _folder("recurrentgemma-2b", "recurrentgemma-2b-it", "RecurrentGemma 2B: constant memory", 5_390_000_000),
    _folder(
        "recurrentgemma-9b", "recurrentgemma-9b-it", "RecurrentGemma 9B: constant memory", 17_180_000_000
    ),
    Alias(
        "smollm2-360m",
        "hf:HuggingFaceTB/SmolLM2-360M-Instruct-GGUF:Q8_0",
        "SmolLM2 360M Instruct, Q8_0",
        386_000_000,
        *APACHE,
        8192,
    ),
    Alias(
        "smollm2-1.7b",
        "hf:HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF:Q4_K_M",
        "SmolLM2 1.7B Instruct, Q4_K_M",
        1_060_000_000,
        *APACHE,
        8192,
    ),
    Alias(
        "qwen2.5-0.5b",
        "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M",
        "Qwen2.5 0.5B Instruct, Q4_K_M",
        491_000_000,
        *APACHE,
        32_768,
    ),
    Alias(
        "qwen2.5-1.5b",
        "hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M",
        "Qwen2.5 1.5B Instruct, Q4_K_M",
        1_120_000_000,
        *APACHE,
        32_768,
    ),
    Alias(
        "qwen2.5-7b",
        "hf:bartowski/Qwen2.5-7B-Instruct-GGUF:Q4_K_M",
        "Qwen2.5 7B Instruct, Q4_K_M",
        4_680_000_000,
        *APACHE,
        32_768,
    ),
)


def find(name: str) -> Alias | None:
    """The alias called `name` (case does not matter), or None."""
    return next((each for each in ALIASES if each.name == name.lower()), None)


def meant(name: str) -> str:
    """The ``hf:`` name that an alias stands for; any other name as it is."""
    alias = find(name)
    return alias.hub if alias else name
