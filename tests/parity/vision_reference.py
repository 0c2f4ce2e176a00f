"""transformers as the reference for sight: its tiny models, filled by `seeing`, and its processors."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import seeing
import torch
import transformers
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.gemma3.processing_gemma3 import Gemma3Processor
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil
from transformers.models.gemma4.processing_gemma4 import Gemma4Processor
from transformers.video_utils import VideoMetadata

PACKAGES = ("torch", "transformers")

_MODELS = {
    "gemma3": transformers.Gemma3ForConditionalGeneration,
    "gemma4": transformers.Gemma4ForConditionalGeneration,
    "gemma4_unified": transformers.Gemma4UnifiedForConditionalGeneration,
}


def versions() -> str:
    """What the reference is made of."""
    import PIL

    return f"transformers {transformers.__version__}, torch {torch.__version__}, Pillow {PIL.__version__}"


def save(name: str, folder: Path) -> Any:
    """Build a tiny model, save it, fill its vision tensors with `seeing.values` by their saved names.

    Returns the model as it is then loaded from the folder.
    """
    from safetensors.numpy import load_file, save_file

    config = seeing.CONFIGS[name]
    kind = _MODELS[config["model_type"]]
    torch.manual_seed(0)
    made = kind(kind.config_class(**{key: value for key, value in config.items() if key != "model_type"}))
    made.save_pretrained(folder)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    for tensor in tensors:
        if is_vision(tensor):
            tensors[tensor] = seeing.values(tensor, tensors[tensor].shape)
    save_file(tensors, file, {"format": "pt"})
    return kind.from_pretrained(folder, attn_implementation="eager").eval()


def is_vision(tensor: str) -> bool:
    """Whether a saved tensor belongs to the encoder or its projector."""
    return any(part in tensor for part in ("vision", "multi_modal_projector"))


@torch.no_grad()
def encode(name: str, model: Any, pixels: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features before the projector and soft tokens, of the reference's own input."""
    kind = seeing.CONFIGS[name]["model_type"]
    if kind == "gemma3":
        found = model.model.get_image_features(torch.from_numpy(pixels)[None], return_dict=True)
        return found.last_hidden_state[0].numpy(), found.pooler_output[0].numpy()
    found = model.model.get_image_features(
        torch.from_numpy(pixels)[None], torch.from_numpy(positions)[None].long(), return_dict=True
    )
    return np.atleast_2d(found.last_hidden_state.numpy().squeeze()), found.pooler_output[0].numpy()


def square(image: np.ndarray, side: int, *, crops: bool = False) -> np.ndarray:
    """The reference's pixels f32 [pictures, 3, side, side] of a picture and its crops."""
    processor = Gemma3ImageProcessorPil(
        size={"height": side, "width": side},
        do_pan_and_scan=crops,
        pan_and_scan_min_crop_size=256,
        pan_and_scan_max_num_crops=4,
        pan_and_scan_min_ratio_to_activate=1.2,
    )
    return np.stack(processor(image, input_data_format="channels_last")["pixel_values"])


def grid(image: np.ndarray, budget: int, patch: int = 16) -> tuple[np.ndarray, np.ndarray, int]:
    """The reference's patches f32 [P, 3·patch²], positions [P, 2] and soft tokens, padding included."""
    processor = Gemma4ImageProcessorPil(patch_size=patch, max_soft_tokens=budget)
    found = processor(image, input_data_format="channels_last")
    (tokens,) = found["num_soft_tokens_per_image"]
    return np.asarray(found["pixel_values"][0]), np.asarray(found["image_position_ids"][0]), int(tokens)


def merged(image: np.ndarray, budget: int, patch: int = 16) -> tuple[np.ndarray, np.ndarray, int]:
    """As `grid`, with 3×3 patches merged to one, without padding.

    The merging is the function of image_processing_gemma4_unified.py itself, taken from its source, since
    the module as a whole cannot be imported without torchvision.
    """
    pixels, positions, tokens = grid(image, budget, patch)
    real = positions[:, 0] >= 0
    new_pixels, new_positions = _patches_merge()(
        torch.from_numpy(pixels[real])[None], torch.from_numpy(positions[real])[None], tokens
    )
    return new_pixels[0].numpy(), new_positions[0].numpy(), tokens


def prepare(name: str, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The input of a tiny model: pixels, and positions, of which there are none for a square."""
    vision = seeing.CONFIGS[name]["vision_config"]
    if name == "gemma3":
        return square(image, vision["image_size"])[0], np.zeros((0, 2), np.int64)
    pixels, positions, _ = (merged if name == "gemma4-unified" else grid)(
        image, seeing.BUDGET, vision["patch_size"]
    )
    return pixels, positions


def _patches_merge() -> Any:
    source = (
        Path(transformers.__file__).parent / "models/gemma4_unified/image_processing_gemma4_unified.py"
    ).read_text()
    (function,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "patches_merge"
    )
    space: dict[str, Any] = {"torch": torch, "math": math}
    exec(compile(ast.Module([function], []), "patches_merge", "exec"), space)
    return space["patches_merge"]


def interpolated(image: np.ndarray, width: int, height: int, mode: str) -> np.ndarray:
    """What torchvision's processors resize with, torch's own antialiased interpolation: uint8 [3, H, W]."""
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    small = torch.nn.functional.interpolate(planes, (height, width), mode=mode, antialias=True)
    return small[0].numpy()


def image_text(kind: str, tokens: int, crops: int = 0) -> str:
    """What the processor writes for a picture."""
    if kind == "gemma3":
        soft = "<image_soft_token>" * tokens
        here: Any = SimpleNamespace(full_image_sequence=f"\n\n<start_of_image>{soft}<end_of_image>\n\n")
        return Gemma3Processor.replace_image_token(here, {"num_crops": [crops]}, 0)
    return Gemma4Processor.replace_image_token(_gemma4(), {"num_soft_tokens_per_image": [tokens]}, 0)


def video_text(tokens: int, indices: list[int], fps: float) -> str:
    """What the processor writes for a video."""
    shown = VideoMetadata(total_num_frames=max(indices) + 1, fps=fps, frames_indices=indices)
    inputs = {"num_soft_tokens_per_video": [tokens], "video_metadata": [shown]}
    return Gemma4Processor.replace_video_token(_gemma4(), inputs, 0)


def _gemma4() -> Any:
    return SimpleNamespace(
        boi_token="<|image>", eoi_token="<image|>", image_token="<|image|>", video_token="<|video|>"
    )


def saved_config(folder: Path) -> dict[str, Any]:
    """The config.json that transformers wrote."""
    return json.loads((folder / "config.json").read_text())
