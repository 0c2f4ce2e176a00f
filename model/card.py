"""What a model file is, read from its header alone: no weights, and no jax."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model.arch.gguf import config_from_gguf
from model.config import ModelConfig
from model.errors import FormatError, UnsupportedModelError
from model.formats.gguf import open_gguf
from model.tokenizer.base import Tokenizer
from model.tokenizer.load import tokenizer_from_gguf
from model.tokenizer.template import ChatTemplate

_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 14: "Q4_K_S", 15: "Q4_K_M",
    16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 32: "BF16",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model file, described.

    Attributes:
        path: the GGUF file.
        config: the architecture.
        tokenizer: text to ids and back.
        template: how a conversation is written for it.
        is_base: it continues text and was never taught to chat.
        quantization: the name of the file's mixture of types, e.g. ``Q4_K_M``.
        weights_bytes: of all tensors in the file.
    """

    path: Path
    config: ModelConfig
    tokenizer: Tokenizer
    template: ChatTemplate
    is_base: bool
    quantization: str
    weights_bytes: int

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
        """What it takes beside text (``image``, ``audio``): no architecture here takes more."""
        return frozenset()

    def kv_bytes_per_token(self, bits: int = 16) -> int:
        """Bytes that one more token takes in a long context (rings are full by then).

        Args:
            bits: of a cached key or value.
        """
        far = 2 * max(spec.window or 0 for spec in self.config.layers) + 2
        per_value = bits // 8
        return self.config.kv_bytes(far, bytes_per_value=per_value) - self.config.kv_bytes(
            far - 1, bytes_per_value=per_value
        )


def describe(path: Path) -> ModelCard:
    """Read a model file's header.

    Raises:
        FormatError: damaged, cut short, or not a GGUF file.
        UnsupportedModelError: an architecture, tensor type or tokenizer that we do not run.
        OSError: it cannot be opened.
    """
    with open_gguf(path) as file:
        metadata = file.metadata
        try:
            config = config_from_gguf(metadata, file.tensors)
            tokenizer = tokenizer_from_gguf(metadata)
            source = _template(metadata)
            if tokenizer.vocab_size != config.vocab:
                raise FormatError(
                    f"there are {tokenizer.vocab_size:,} tokens, but the embedding has {config.vocab:,} rows"
                )
        except UnsupportedModelError as error:
            raise UnsupportedModelError(f"{path}: {error}") from None
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None
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
