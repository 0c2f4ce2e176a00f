"""What a model is, read from headers alone: no weights, and no jax."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model import footprint
from model.config import ModelConfig
from model.errors import FormatError, UnsupportedModelError
from model.formats.open import is_safetensors
from model.tokenizer.base import Tokenizer
from model.tokenizer.template import ChatTemplate

if TYPE_CHECKING:
    from model.audio.spec import AudioSpec
    from model.vision.spec import VisionSpec

_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 14: "Q4_K_S", 15: "Q4_K_M",
    16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 32: "BF16",
}  # fmt: skip


_LONGEST_CONFIG = 1 << 22  # bytes


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model, described.

    Attributes:
        path: the GGUF file, or the folder (or file) of safetensors.
        config: the architecture.
        tokenizer: text to ids and back.
        template: how a conversation is written for it.
        is_base: it continues text and was never taught to chat.
        quantization: the name of the file's mixture of types, e.g. ``Q4_K_M``; of safetensors, their type.
        weights_bytes: of all tensors in the file.
        vision, audio: how it sees and hears; None where it does not.
        encoders: what holds the weights of these: the model itself, or the mmproj file beside a GGUF.
        source: a folder's config.json; empty for a GGUF.
        unread: why it reads text only, although there is an mmproj file beside it; None where all is read.
    """

    path: Path
    config: ModelConfig
    tokenizer: Tokenizer
    template: ChatTemplate
    is_base: bool
    quantization: str
    weights_bytes: int
    vision: VisionSpec | None = None
    audio: AudioSpec | None = None
    encoders: Path | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    unread: str | None = None

    @property
    def architecture(self) -> str:
        """The family's name in the file."""
        return self.config.architecture

    @property
    def window(self) -> int:
        """Tokens that the model was trained to see."""
        return self.config.context

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.config.parameters

    @property
    def senses(self) -> frozenset[str]:
        """What it takes beside text: ``image``, ``audio``."""
        has = {"image": self.vision, "audio": self.audio}
        return frozenset(sense for sense, spec in has.items() if spec is not None)

    def kv_bytes_per_token(self, bits: int = 16) -> int:
        """Bytes that one more token takes in a long context (rings are full by then).

        Args:
            bits: of a cached key or value.
        """
        return footprint.kv_bytes_per_token(self.config, bits)

    def cache_bytes(self, prompt: int, longest: int, bits: int = 16) -> int:
        """Bytes of the cache that is allocated for a prompt and an answer of at most `longest` tokens."""
        return footprint.answering_bytes(self.config, prompt, longest, bits)

    def memory_bytes(self, prompt: int, longest: int, bits: int = 16) -> int:
        """Bytes that such an answer takes at its peak: weights, cache, and what is computed on the way.

        Floats of safetensors are rounded to 8 bits as they are read.
        """
        floats = is_safetensors(self.path)
        weights = footprint.weights_bytes(self.config, "int8") if floats else self.weights_bytes
        return weights + self.cache_bytes(prompt, longest, bits) + footprint.workspace(self.config)


def describe(path: Path, encoders: Path | None = None) -> ModelCard:
    """Read a model's headers.

    Args:
        path: a GGUF file, a folder with config.json, tokenizer and safetensors, or one safetensors file in
            such a folder.
        encoders: an mmproj file for a GGUF; None takes the one that lies beside it, if there is one.  One
            that is found there, and holds what we do not run, leaves the model its text (`ModelCard.unread`).

    Raises:
        FormatError: damaged, cut short, or of no format that is read; or its parts do not fit together.
        UnsupportedModelError: an architecture, tensor type or tokenizer that we do not run.
        OSError: it cannot be opened.
    """
    try:
        if is_safetensors(path):
            return _describe_folder(path)
        card = _describe_gguf(path)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(_located(path, error)) from None
    except FormatError as error:
        raise FormatError(_located(path, error)) from None
    beside = encoders or _mmproj_beside(path)
    if beside is None:
        return card
    try:
        return _with_encoders(card, beside)
    except UnsupportedModelError as error:
        if encoders:
            raise
        return replace(card, unread=str(error))


def _located(path: Path, error: Exception) -> str:
    return str(error) if str(error).startswith(str(path)) else f"{path}: {error}"


def _describe_gguf(path: Path) -> ModelCard:
    from model.arch.gguf import check_rope_factors, config_from_gguf
    from model.formats.ggml import Blocks
    from model.formats.gguf import open_gguf
    from model.tokenizer.load import tokenizer_from_gguf

    with open_gguf(path) as file:
        metadata = file.metadata
        config = config_from_gguf(metadata, file.tensors)
        if "rope_freqs.weight" in file.tensors:
            factors = file.read("rope_freqs.weight")
            check_rope_factors(config, factors.dequantize() if isinstance(factors, Blocks) else factors)
        tokenizer = tokenizer_from_gguf(metadata)
        source = _template(metadata)
        if tokenizer.vocab_size != config.vocab:
            raise FormatError(
                f"there are {tokenizer.vocab_size:,} tokens, but the embedding has {config.vocab:,} rows"
            )
        return ModelCard(
            path=path,
            config=config,
            tokenizer=tokenizer,
            template=ChatTemplate(
                source,
                bos=_piece(metadata, "bos"),
                eos=_piece(metadata, "eos"),
            ),
            is_base=source is None,
            quantization=_quantization(metadata),
            weights_bytes=sum(info.nbytes for info in file.tensors.values()),
        )


def _describe_folder(path: Path) -> ModelCard:
    # Imported here, and sight and hearing below: a text model in a GGUF starts without them.
    from model.arch.audio import audio_spec_from_hf
    from model.arch.hf import config_from_hf
    from model.arch.vision import vision_spec_from_hf
    from model.formats.safetensors import open_safetensors
    from model.tokenizer.hf import template_from_folder, tokenizer_from_folder

    folder = path if path.is_dir() else path.parent
    described = _json(folder / "config.json")
    with open_safetensors(path) as file:
        config = config_from_hf(described, file.tensors)
        tokenizer = tokenizer_from_folder(folder, rows=config.vocab)
        template = template_from_folder(folder)
        types = [info.dtype for info in file.tensors.values()]
        processor = next(
            (
                _json(folder / name)
                for name in ("processor_config.json", "preprocessor_config.json")
                if (folder / name).is_file()
            ),
            None,
        )
        vision = vision_spec_from_hf(described, processor)
        audio = audio_spec_from_hf(described, processor)
        return ModelCard(
            path=path,
            config=config,
            tokenizer=tokenizer,
            template=template,
            is_base=template.source is None,
            quantization=max(set(types), key=types.count, default="F32"),
            weights_bytes=sum(info.nbytes for info in file.tensors.values()),
            vision=vision,
            audio=audio,
            encoders=path if vision or audio else None,
            source=described,
        )


def _mmproj_beside(path: Path) -> Path | None:
    """The mmproj file in a GGUF's folder: the one that bears its name, or the only one."""
    found = sorted(each for each in path.parent.glob("*mmproj*.gguf") if each != path and each.is_file())
    stem = path.stem.lower().split("-q")[0]
    own = [each for each in found if stem in each.stem.lower()]
    folder_is_its_own = len([*path.parent.glob("*.gguf")]) - len(found) == 1
    return own[0] if own else found[0] if found and folder_is_its_own else None


def _with_encoders(card: ModelCard, path: Path) -> ModelCard:
    """The card with what an mmproj file adds.

    Raises:
        FormatError: damaged, or made for a model of another width.
        UnsupportedModelError: an encoder that we do not run.
    """
    from model.arch.audio import audio_spec_from_mmproj
    from model.arch.vision import vision_spec_from_mmproj
    from model.formats.gguf import open_gguf

    try:
        with open_gguf(path) as file:
            vision = vision_spec_from_mmproj(file.metadata, file.tensors)
            audio = audio_spec_from_mmproj(file.metadata, file.tensors)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(_located(path, error)) from None
    except FormatError as error:
        raise FormatError(_located(path, error)) from None
    for spec in (vision, audio):
        if spec is not None and spec.text_width != card.config.width:
            raise FormatError(
                f"{path} is for a model of width {spec.text_width:,}; {card.path.name} has "
                f"{card.config.width:,}: take the mmproj file of the same model"
            )
    return replace(card, vision=vision, audio=audio, encoders=path)


def _json(path: Path) -> Mapping[str, Any]:
    from model.tokenizer.hf_files import read_json

    found = read_json(path, largest=_LONGEST_CONFIG)
    if found is None:
        raise FormatError(f"there is no {path.name} beside the weights")
    return found


def _template(metadata: dict) -> str | None:
    source = metadata.get("tokenizer.chat_template")
    if source is not None and not isinstance(source, str):
        raise FormatError(f"tokenizer.chat_template is {source!r}, not a text")
    return source


def _quantization(metadata: dict) -> str:
    number = metadata.get("general.file_type")
    return _FILE_TYPES.get(number, "mixed") if isinstance(number, int) else "mixed"


def _piece(metadata: dict, which: str) -> str:
    index, tokens = metadata.get(f"tokenizer.ggml.{which}_token_id"), metadata["tokenizer.ggml.tokens"]
    return tokens[index] if isinstance(index, int) and 0 <= index < len(tokens) else ""
