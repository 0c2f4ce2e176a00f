"""Names in files → places in the parameter tree, for Hugging Face checkpoints and for mmproj GGUF files.

Sources: `state_dict` names of transformers' modeling_siglip.py, modeling_gemma3.py, modeling_gemma4.py and
modeling_gemma4_unified.py with the renamings of conversion_mapping.py; conversion/gemma.py of llama.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from model.formats.checkpoint import Stored
from model.vision import transforms as how
from model.vision.spec import Axial, Direct, Siglip, VisionSpec
from model.vision.transforms import Transform


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one parameter comes from.

    Attributes:
        names: that it may have in the file; the first that is there is taken.  ``{}`` is the layer.
        transform: what is done to it.
    """

    names: tuple[str, ...]
    transform: Transform = how.PLAIN


@dataclass(frozen=True, slots=True)
class Table:
    """The names of one encoder in one format.

    Attributes:
        entries: place in the tree, its fields joined by dots → where it comes from.
        ours: matches the names of all tensors that belong to the encoder.
        spare: matches those of `ours` that are not used.
    """

    entries: Mapping[str, Entry]
    ours: re.Pattern[str]
    spare: re.Pattern[str] = re.compile(r"(?!)")


def table(spec: VisionSpec, tensors: Mapping[str, Stored]) -> Table:
    """The names to look for in a file with these tensors."""
    mmproj = any(name.startswith("v.") for name in tensors)
    match spec.encoder:
        case Siglip() as encoder:
            return _siglip_gguf(encoder, spec, tensors) if mmproj else _siglip_hf(tensors)
        case Axial():
            return _axial(_AXIAL_GGUF if mmproj else _AXIAL_HF, mmproj)
        case Direct():
            return _DIRECT_GGUF if mmproj else _direct_hf(tensors)


_GGUF = re.compile(r"v\.|mm\.(?!a\.)")
_HF = re.compile(r"(model\.)?(vision_tower|vision_embedder|embed_vision|multi_modal_projector)\.")


def _most_used(prefixes: tuple[str, ...], follows: str, tensors: Mapping[str, Stored]) -> str:
    """Of prefixes that versions have had, the one of this file; the first where it has none."""
    return max(prefixes, key=lambda each: sum(name.startswith(each + follows) for name in tensors))


def _weight_and_bias(places: Mapping[str, str], prefix: str = "") -> dict[str, Entry]:
    return {
        f"{place}.{part}": Entry((f"{prefix}{name}.{part}",))
        for place, name in places.items()
        for part in ("weight", "bias")
    }


# --- SigLIP -------------------------------------------------------------------------------------------------

# Released checkpoints have the last two, what transformers 4 and 5 save the others.
_TOWERS = (
    "model.vision_tower.",
    "model.vision_tower.vision_model.",
    "vision_tower.",
    "vision_tower.vision_model.",
)
_PROJECTORS = ("model.multi_modal_projector.", "multi_modal_projector.")


def _siglip_hf(tensors: Mapping[str, Stored]) -> Table:
    tower = _most_used(_TOWERS, "encoder.", tensors)
    projector = _most_used(_PROJECTORS, "mm_", tensors)
    return Table(
        _weight_and_bias(
            {
                "layers.attn_norm": "encoder.layers.{}.layer_norm1",
                "layers.query": "encoder.layers.{}.self_attn.q_proj",
                "layers.key": "encoder.layers.{}.self_attn.k_proj",
                "layers.value": "encoder.layers.{}.self_attn.v_proj",
                "layers.attn_out": "encoder.layers.{}.self_attn.out_proj",
                "layers.ffn_norm": "encoder.layers.{}.layer_norm2",
                "layers.up": "encoder.layers.{}.mlp.fc1",
                "layers.down": "encoder.layers.{}.mlp.fc2",
                "final_norm": "post_layernorm",
            },
            tower,
        )
        | {
            "patch.weight": Entry((f"{tower}embeddings.patch_embedding.weight",), how.KERNEL),
            "patch.bias": Entry((f"{tower}embeddings.patch_embedding.bias",)),
            "positions": Entry((f"{tower}embeddings.position_embedding.weight",)),
            "pooled_norm": Entry((f"{projector}mm_soft_emb_norm.weight",), how.PLUS_ONE),
            "projection.weight": Entry((f"{projector}mm_input_projection_weight",), how.TRANSPOSED),
        },
        _HF,
        # The head that pools a picture to one vector, and an index that old versions kept with the weights.
        re.compile(r".*(vision_tower|vision_model)\.head\.|.*\.position_ids$"),
    )


def _siglip_gguf(encoder: Siglip, spec: VisionSpec, tensors: Mapping[str, Stored]) -> Table:
    up, down = "v.blk.{}.ffn_up", "v.blk.{}.ffn_down"
    # Files of the first converter, the published quantization-aware ones among them, have the two swapped.
    first = tensors.get("v.blk.0.ffn_down.weight")
    if first is not None and first.shape == (encoder.ffw, spec.width) and encoder.ffw != spec.width:
        up, down = down, up
    return Table(
        _weight_and_bias(
            {
                "layers.attn_norm": "v.blk.{}.ln1",
                "layers.query": "v.blk.{}.attn_q",
                "layers.key": "v.blk.{}.attn_k",
                "layers.value": "v.blk.{}.attn_v",
                "layers.attn_out": "v.blk.{}.attn_out",
                "layers.ffn_norm": "v.blk.{}.ln2",
                "layers.up": up,
                "layers.down": down,
                "final_norm": "v.post_ln",
            }
        )
        | {
            "patch.weight": Entry(("v.patch_embd.weight",), how.KERNEL),
            "patch.bias": Entry(("v.patch_embd.bias",)),
            "positions": Entry(("v.position_embd.weight",)),
            # The converter has added the one already.
            "pooled_norm": Entry(("mm.soft_emb_norm.weight",)),
            "projection.weight": Entry(("mm.input_projection.weight",), how.TRANSPOSED),
        },
        _GGUF,
    )


# --- axial --------------------------------------------------------------------------------------------------

_AXIAL_HF = {
    "patch": "model.vision_tower.patch_embedder.input_proj",
    "positions": "model.vision_tower.patch_embedder.position_embedding_table",
    "layers.attn_norm": "model.vision_tower.encoder.layers.{}.input_layernorm.weight",
    "layers.query": "model.vision_tower.encoder.layers.{}.self_attn.q_proj",
    "layers.key": "model.vision_tower.encoder.layers.{}.self_attn.k_proj",
    "layers.value": "model.vision_tower.encoder.layers.{}.self_attn.v_proj",
    "layers.query_norm": "model.vision_tower.encoder.layers.{}.self_attn.q_norm.weight",
    "layers.key_norm": "model.vision_tower.encoder.layers.{}.self_attn.k_norm.weight",
    "layers.attn_out": "model.vision_tower.encoder.layers.{}.self_attn.o_proj",
    "layers.post_attn_norm": "model.vision_tower.encoder.layers.{}.post_attention_layernorm.weight",
    "layers.ffn_norm": "model.vision_tower.encoder.layers.{}.pre_feedforward_layernorm.weight",
    "layers.gate": "model.vision_tower.encoder.layers.{}.mlp.gate_proj",
    "layers.up": "model.vision_tower.encoder.layers.{}.mlp.up_proj",
    "layers.down": "model.vision_tower.encoder.layers.{}.mlp.down_proj",
    "layers.post_ffn_norm": "model.vision_tower.encoder.layers.{}.post_feedforward_layernorm.weight",
    "shift": "model.vision_tower.std_bias",
    "scale": "model.vision_tower.std_scale",
    "projection": "model.embed_vision.embedding_projection",
}
_AXIAL_GGUF = {
    "patch": "v.patch_embd",
    "positions": "v.position_embd.weight",
    "layers.attn_norm": "v.blk.{}.ln1.weight",
    "layers.query": "v.blk.{}.attn_q",
    "layers.key": "v.blk.{}.attn_k",
    "layers.value": "v.blk.{}.attn_v",
    "layers.query_norm": "v.blk.{}.attn_q_norm.weight",
    "layers.key_norm": "v.blk.{}.attn_k_norm.weight",
    "layers.attn_out": "v.blk.{}.attn_out",
    "layers.post_attn_norm": "v.blk.{}.attn_post_norm.weight",
    "layers.ffn_norm": "v.blk.{}.ln2.weight",
    "layers.gate": "v.blk.{}.ffn_gate",
    "layers.up": "v.blk.{}.ffn_up",
    "layers.down": "v.blk.{}.ffn_down",
    "layers.post_ffn_norm": "v.blk.{}.ffn_post_norm.weight",
    "shift": "v.std_bias",
    "scale": "v.std_scale",
    "projection": "mm.input_projection",
}
_PRODUCTS = ("query", "key", "value", "attn_out", "gate", "up", "down")
_BOUNDS = ("input_min", "input_max", "output_min", "output_max")


def _axial(names: Mapping[str, str], mmproj: bool) -> Table:
    entries = {place: Entry((name,)) for place, name in names.items()}
    for product in _PRODUCTS:
        name = names[f"layers.{product}"]
        entries[f"layers.{product}.weight"] = Entry(
            (f"{name}.weight" if mmproj else f"{name}.linear.weight",)
        )
        for bound in _BOUNDS:
            entries[f"layers.{product}.bounds.{bound}"] = Entry(
                (f"{name}.{bound}",), how.SINGLE if mmproj else how.PLAIN
            )
    entries["patch.weight"] = Entry((f"{names['patch']}.weight",), how.KERNEL if mmproj else how.PLAIN)
    entries["projection.weight"] = Entry((f"{names['projection']}.weight",))
    return Table(entries, _GGUF if mmproj else _HF)


# --- direct -------------------------------------------------------------------------------------------------

# As released, and as transformers names them once they are loaded.
_EMBEDDERS = ("model.vision_embedder.", "model.embed_vision.")


def _direct_hf(tensors: Mapping[str, Stored]) -> Table:
    embedder = _most_used(_EMBEDDERS, "patch_", tensors)
    return Table(
        _weight_and_bias(
            {
                "pixel_norm": "patch_ln1",
                "patch": "patch_dense",
                "patch_norm": "patch_ln2",
                "position_norm": "pos_norm",
            },
            embedder,
        )
        | {
            "positions": Entry((f"{embedder}pos_embedding",), how.AXIS_SECOND),
            "projection.weight": Entry(
                (
                    "model.embed_vision.embedding_projection.weight",
                    "model.embed_vision.multimodal_embedder.embedding_projection.weight",
                )
            ),
        },
        _HF,
    )


_DIRECT_GGUF = Table(
    _weight_and_bias({"patch_norm": "v.patch_norm.2", "position_norm": "v.patch_norm.3"})
    | {
        # Pixels lie colour by colour in this file, and so does all that is applied to them.
        "pixel_norm.weight": Entry(("v.patch_norm.1.weight",), how.BY_COLOUR),
        "pixel_norm.bias": Entry(("v.patch_norm.1.bias",), how.BY_COLOUR),
        "patch.weight": Entry(("v.patch_embd.weight",), how.BY_COLOUR),
        "patch.bias": Entry(("v.patch_embd.bias",)),
        "positions": Entry(("v.position_embd.weight",)),
        "projection.weight": Entry(("mm.input_projection.weight",)),
    },
    _GGUF,
)
