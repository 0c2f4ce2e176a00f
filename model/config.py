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
        rotated: the part of a head's numbers that turns.
        proportional: the numbers that turn are the first of both halves of the whole head, with the
            frequencies that they would have if all turned (Gemma 4); else they are the head's first, turned
            like a head of that size (RecurrentGemma).
        stretch: context over trained window, where the text is longer than that (YaRN, arXiv 2309.00071,
            section 3.2): pairs that turn less than once in the trained window are slowed by it, those that
            turn more than 32 times are not, those between in part. 1 leaves all alone.
        trained: tokens of the trained window; only read where `stretch` is not 1.
    """

    theta: float
    factor: float = 1.0
    rotated: float = 1.0
    proportional: bool = False
    stretch: float = 1.0
    trained: int = 0

    def turning(self, head_dim: int) -> int:
        """How many of a head's H numbers turn; even."""
        return 2 * int(self.rotated * head_dim / 2)


@dataclass(frozen=True, slots=True)
class SparseSpec:
    """Attention to a part of the past that has a fixed size, chosen anew for every block of queries.

    Attributes:
        page: keys that are chosen together.
        group: keys of a page that are compared as one, by their mean.
        pages: how many pages are chosen, the first ones of the text among them.
        first: pages from the beginning of the text that are always among them, as all heads rest there.
        near: keys before a block of queries that it always sees.
        queries: that choose together, at most.
        voices: of these, how many are compared with the keys: the last, and others evenly before it.
    """

    page: int = 32
    group: int = 4
    pages: int = 64
    first: int = 1
    near: int = 1024
    queries: int = 128
    voices: int = 16

    def __post_init__(self) -> None:
        assert self.page % self.group == 0, "a page is made of groups"
        assert self.near % self.page == 0, "what is near begins with a page"
        assert self.first <= self.pages, "the first pages are among those that are chosen"


@dataclass(frozen=True, slots=True)
class AttentionSpec:
    """Attention as the mixer of a layer's tokens.

    Attributes:
        heads, kv_heads, head_dim: N, K and H.
        rope: rotary embedding of queries and keys.
        query_scale: factor on the scores (H^-½ nearly everywhere).
        window: W, query-inclusive (a query sees itself and W-1 tokens before it); None sees all.
        softcap: c in c·tanh(score/c), before the mask (Gemma 2); None leaves scores alone.
        qk_norm: RMS norm of every query and key head before RoPE (Gemma 3).
        v_norm: RMS norm without a weight of every value head (Gemma 4).
        qkv_bias: biases on the q, k and v projections (Qwen2).
        out_bias: a bias on the output projection (RecurrentGemma).
        tied_values: values are the projected keys, before the keys' own norm and RoPE: there is no v
            projection.
        source: index of the layer whose keys and values are read; the layer then has no k and v of its own,
            and no cache.  None: its own.
        media: tokens of one media block see each other, later ones too (within the window).
        sparse: only so much of the past is read (`model.attention.sparse`); None: all of it.
    """

    heads: int
    kv_heads: int
    head_dim: int
    rope: RopeSpec
    query_scale: float
    window: int | None = None
    softcap: float | None = None
    qk_norm: bool = False
    v_norm: bool = False
    qkv_bias: bool = False
    out_bias: bool = False
    tied_values: bool = False
    source: int | None = None
    media: bool = False
    sparse: SparseSpec | None = None

    def __post_init__(self) -> None:
        assert self.heads % self.kv_heads == 0, "query heads come in equal groups per key/value head"

    @property
    def projections(self) -> tuple[int, int, int]:
        """Heads that the layer projects its input to: of queries, keys and values."""
        if self.source is not None:
            return self.heads, 0, 0
        return self.heads, self.kv_heads, 0 if self.tied_values else self.kv_heads

    def parameters(self, width: int) -> int:
        """Number of weights, in a model of this width."""
        rows, out = sum(self.projections) * self.head_dim, self.heads * self.head_dim
        norms = self.head_dim * (1 if self.source is not None else 2) if self.qk_norm else 0
        biases = (rows if self.qkv_bias else 0) + (width if self.out_bias else 0)
        return (rows + out) * width + norms + biases


@dataclass(frozen=True, slots=True)
class RecurrentSpec:
    """A gated linear recurrence (RG-LRU, arXiv 2402.19427) as the mixer of a layer's tokens.

    Attributes:
        width: E.
        heads: blocks of the block-diagonal gates.
        conv: width of the causal convolution before the recurrence.
        activation: of the branch that gates the recurrence's output.
    """

    width: int
    heads: int
    conv: int = 4
    activation: Literal["silu", "gelu_tanh"] = "gelu_tanh"

    def __post_init__(self) -> None:
        assert self.width % self.heads == 0, "gates are blocks of equal size"

    @property
    def window(self) -> None:
        """None: what it remembers has no end."""
        return None

    def parameters(self, width: int) -> int:
        """Number of weights, in a model of this width."""
        projections = 3 * self.width * width + 2 * self.width + width
        gates = 2 * (self.width * self.width // self.heads + self.width)
        return projections + gates + (self.conv + 1) * self.width + self.width


@dataclass(frozen=True, slots=True)
class ExpertsSpec:
    """A mixture of experts, computed beside a layer's MLP.

    Attributes:
        count: how many there are.
        active: how many of them each token takes.
        ffw: F of one.
    """

    count: int
    active: int
    ffw: int

    def parameters(self, width: int) -> int:
        """Number of weights in all: experts and their scales, router and its scale, three norms."""
        return self.count * 3 * self.ffw * width + self.count + self.count * width + width + 3 * width

    def idle(self, width: int) -> int:
        """Number of weights that a token does not meet."""
        return (self.count - self.active) * 3 * self.ffw * width


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One decoder layer: a mixer of tokens, then a gated MLP, each with a norm before it and a residual.

    Attributes:
        mixer: how tokens reach one another.
        ffw: F, the width of the gated MLP.
        activation: of its gate.
        mlp_bias: biases on its three projections (RecurrentGemma).
        post_norms: RMS norms after mixer and MLP too, before the residual (Gemma 2, 3, 4).
        experts: a mixture of experts beside the MLP (Gemma 4).
        scaled: one learned factor on the layer's result (Gemma 4).
    """

    mixer: AttentionSpec | RecurrentSpec
    ffw: int
    activation: Literal["silu", "gelu_tanh"] = "silu"
    mlp_bias: bool = False
    post_norms: bool = False
    experts: ExpertsSpec | None = None
    scaled: bool = False

    @property
    def attention(self) -> AttentionSpec | None:
        """The mixer where it is attention."""
        return self.mixer if isinstance(self.mixer, AttentionSpec) else None

    @property
    def source(self) -> int | None:
        """The layer whose keys and values it reads; None where it has its own, or no attention."""
        return self.attention.source if self.attention else None

    def products(self, width: int) -> int:
        """Number of weights in the matrices that a token is multiplied with, in a model of this width."""
        mixer, total = self.mixer, 3 * self.ffw * width
        if isinstance(mixer, AttentionSpec):
            total += (sum(mixer.projections) + mixer.heads) * mixer.head_dim * width
        else:
            total += 3 * mixer.width * width + 2 * mixer.width * mixer.width // mixer.heads
        if experts := self.experts:
            total += experts.count * width + experts.active * 3 * experts.ffw * width
        return total

    def parameters(self, width: int) -> int:
        """Number of weights, in a model of this width."""
        total = self.mixer.parameters(width) + 3 * self.ffw * width + 2 * width * (1 + self.post_norms)
        total += (2 * self.ffw + width if self.mlp_bias else 0) + self.scaled
        return total + (self.experts.parameters(width) if self.experts else 0)


@dataclass(frozen=True, slots=True)
class PerLayerSpec:
    """Inputs of every layer's own, from a second embedding (Gemma 4 E2B, E4B).

    Attributes:
        width: P, of one layer's input.
        vocab: rows of the table that holds them, side by side for all layers.
        pad: the token whose row stands for soft tokens.
    """

    width: int
    vocab: int
    pad: int = 0

    def products(self, width: int) -> int:
        """Number of weights in the matrices that make and use one layer's input."""
        return 3 * self.width * width

    def parameters(self, width: int, layers: int) -> int:
        """Number of weights: the table, the projection of the embedding, its norm; and the layers' parts."""
        everywhere = (self.vocab + width) * layers * self.width + self.width
        return everywhere + layers * (2 * self.width * width + width)


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
        per_layer: inputs of every layer's own, or None.
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
    per_layer: PerLayerSpec | None = None

    @property
    def parameters(self) -> int:
        """Number of weights, embedding included."""
        total = self.vocab * self.width * (1 if self.tied else 2) + self.width
        total += sum(spec.parameters(self.width) for spec in self.layers)
        return total + (self.per_layer.parameters(self.width, len(self.layers)) if self.per_layer else 0)

    @property
    def active_parameters(self) -> int:
        """Number of weights that one token is multiplied with: none that it only looks up, or passes by."""
        idle = sum(spec.experts.idle(self.width) for spec in self.layers if spec.experts)
        idle += 0 if self.tied else self.vocab * self.width
        if self.per_layer:
            idle += self.per_layer.vocab * self.per_layer.width * len(self.layers)
        return self.parameters - idle

    @property
    def reach(self) -> int:
        """The largest window; 0 where none is sliding."""
        return max((spec.mixer.window or 0 for spec in self.layers), default=0)

    def kv_bytes(self, tokens: int, *, bytes_per_value: int = 2) -> int:
        """Bytes of memory that `tokens` tokens occupy.

        Rings hold at most their window, layers that read another's keys and values hold none, and a
        recurrence holds its f32 state and the last inputs of its convolution, from the first token on.
        """
        total = 0
        for spec in self.layers:
            match spec.mixer:
                case AttentionSpec(source=None) as mixer:
                    a_token = 2 * mixer.kv_heads * mixer.head_dim * bytes_per_value
                    total += a_token * min(tokens, mixer.window or tokens)
                case RecurrentSpec() as mixer:
                    total += 4 * mixer.conv * mixer.width
        return total


def period(layers: tuple[LayerSpec, ...]) -> int:
    """Length of the shortest layer pattern that, repeated and cut, gives `layers`."""
    count = len(layers)
    return next(p for p in range(1, count + 1) if all(layers[i] == layers[i % p] for i in range(count)))
