"""A model's whole architecture as plain data, free of any framework.

`arch/` builds a `ModelConfig` from a file's metadata; everything else only reads it.  Layers that
compute the same thing compare equal, which is how the decoder finds the pattern that it scans over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary position embedding of one kind of layer.

    Attributes:
        theta: base of the geometric frequencies.
        factor: positions are divided by this (linear interpolation); 1 leaves them alone.
    """

    theta: float
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One decoder layer.

    Attributes:
        heads, kv_heads, head_dim: N, K and H of the attention.
        ffw: F, the width of the gated MLP.
        rope: rotary embedding of queries and keys.
        query_scale: factor on the scores (H^-½ nearly everywhere).
        window: W, query-inclusive (a query sees itself and W-1 tokens before it); None sees all.
        qk_norm: RMS norm of every query and key head before RoPE (Gemma 3).
        qkv_bias: biases on the q, k and v projections (Qwen2).
        post_norms: RMS norms after attention and MLP too, before the residual (Gemma 2, 3).
        activation: of the MLP's gate.
    """

    heads: int
    kv_heads: int
    head_dim: int
    ffw: int
    rope: RopeSpec
    query_scale: float
    window: int | None = None
    qk_norm: bool = False
    qkv_bias: bool = False
    post_norms: bool = False
    activation: Literal["silu", "gelu_tanh"] = "silu"

    def __post_init__(self) -> None:
        assert self.heads % self.kv_heads == 0, "query heads come in equal groups per key/value head"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A decoder-only language model.

    Attributes:
        architecture: the family's name in its file, for display only.
        width: D of the residual stream.
        vocab: V, rows of the embedding.
        context: tokens the model was trained to see.
        layers: one spec a layer, in order.
        norm_eps: added to the mean square in every RMS norm.
        embed_scale: factor on the embedding rows.
        tied: the output projection is the embedding.
        final_softcap: c in c·tanh(logits/c), or None.
        adjacent_pairs: the file's query and key rows pair (2i, 2i+1) for RoPE, as GGUF has it for Llama;
            loading reorders them, so that the decoder knows only (i, i + H/2).
    """

    architecture: str
    width: int
    vocab: int
    context: int
    layers: tuple[LayerSpec, ...]
    norm_eps: float
    embed_scale: float = 1.0
    tied: bool = True
    final_softcap: float | None = None
    adjacent_pairs: bool = False

    @property
    def period(self) -> int:
        """Length of the shortest layer pattern that, repeated and cut, gives `layers`."""
        count = len(self.layers)
        return next(
            p for p in range(1, count + 1) if all(self.layers[i] == self.layers[i % p] for i in range(count))
        )

    @property
    def parameters(self) -> int:
        """Number of weights, embedding included."""
        total = self.vocab * self.width * (1 if self.tied else 2) + self.width
        for spec in self.layers:
            qkv = (spec.heads + 2 * spec.kv_heads) * spec.head_dim
            total += qkv * self.width + spec.heads * spec.head_dim * self.width + 3 * spec.ffw * self.width
            total += 2 * self.width * (2 if spec.post_norms else 1)
            total += (qkv if spec.qkv_bias else 0) + (2 * spec.head_dim if spec.qk_norm else 0)
        return total

    def kv_bytes(self, tokens: int, *, bytes_per_value: int = 2) -> int:
        """Bytes of keys and values that `tokens` tokens occupy: rings hold at most their window."""
        return sum(
            2 * spec.kv_heads * spec.head_dim * bytes_per_value * min(tokens, spec.window or tokens)
            for spec in self.layers
        )
