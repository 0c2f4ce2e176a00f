"""What a model is made of and how much room it takes: of a file that is here, or of what was released.

Nothing is loaded, and the array library is not needed: headers and architectures tell it all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemcli.hub.devices import Device
from gemcli.hub.size import size_text

if TYPE_CHECKING:
    from model.audio.spec import AudioSpec
    from model.card import ModelCard
    from model.config import ModelConfig
    from model.vision.spec import VisionSpec

_WIDTHS = {"BF16": 2, "F16": 2, "F32": 4}


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What is told of a model.

    Attributes:
        config, vision, audio: the architecture.
        weights: bytes of the decoder's weights in memory, as they come.
        encoders: bytes of those of sight and hearing.
        quantization: the type that the weights come in; empty where it is not known.
    """

    config: ModelConfig
    vision: VisionSpec | None
    audio: AudioSpec | None
    weights: int
    encoders: int
    quantization: str = ""


def of_card(card: ModelCard) -> Anatomy:
    """Of a model's headers.  Safetensors hold floats, which are rounded to 8 bits as they are read."""
    from model import footprint
    from model.formats.open import is_safetensors

    own, encoders = card.weights_bytes, 0
    if not is_safetensors(card.path):
        encoders = card.encoders.stat().st_size if card.encoders else 0
    else:
        width = _WIDTHS.get(card.quantization, 2)
        encoders = max(0, own - width * card.config.parameters) if card.encoders else 0
        own = footprint.weights_bytes(card.config, "int8")
    return Anatomy(card.config, card.vision, card.audio, own, encoders, card.quantization)


def of_released(name: str, size: int, quantization: str = "") -> Anatomy:
    """Of a model that is not here.

    Args:
        name: as `model.arch.released` has it.
        size: bytes of its files, about.
        quantization: what its name on a hub says; ``safetensors`` are rounded as they are read.
    """
    from model import footprint
    from model.arch.released import released

    about = released(name)
    encoders = 2 * about.encoder_parameters
    floats = quantization == "safetensors"
    weights = footprint.weights_bytes(about.config, "int8") if floats else size - encoders
    return Anatomy(
        about.config, about.vision, about.audio, weights, encoders, "BF16" if floats else quantization
    )


def facts(about: Anatomy, devices: Sequence[Device]) -> dict[str, Any]:
    """What ``models show`` tells, ready for JSON."""
    from model import footprint
    from model.reach import longest

    config = about.config
    return {
        "architecture": config.architecture,
        "parameters": config.parameters,
        "active_parameters": config.active_parameters,
        "quantization": about.quantization or None,
        "window": config.context,
        "longest": longest(config),
        "senses": senses(about),
        "bytes": {
            "in_memory": about.weights,
            "int4": footprint.weights_bytes(config, "int4"),
            "int8": footprint.weights_bytes(config, "int8"),
            "bf16": footprint.weights_bytes(config, "bf16"),
            "encoders": about.encoders,
        },
        "kv_bytes_per_token": footprint.kv_bytes_per_token(config, 16),
        "kv_bytes_per_token_8_bits": footprint.kv_bytes_per_token(config, 8),
        "fixed_cache_bytes": footprint.fixed_bytes(config, 16),
        "fixed_cache_bytes_8_bits": footprint.fixed_bytes(config, 8),
        "tokens": tokens(about),
        "fits": [_fit(about, device) for device in devices],
    }


def senses(about: Anatomy) -> list[str]:
    """The kinds of parts it takes."""
    seen = about.vision
    takes = {"text": True, "image": seen, "video": seen and seen.framing.frame, "audio": about.audio}
    return [sense for sense, able in takes.items() if able]


def tokens(about: Anatomy) -> dict[str, Any]:
    """Soft tokens of a picture, of a video's frame and of a second of sound, as far as it has the senses."""
    found: dict[str, Any] = {}
    if vision := about.vision:
        from model.vision.cost import frame_tokens, image_tokens
        from model.vision.spec import Budget

        if isinstance(vision.resize, Budget):
            found = {"image": vision.resize.image, "image_budgets": list(vision.resize.choices)}
            found["frame"] = vision.resize.frame
        else:
            side = vision.resize.side
            found = {"image": image_tokens(vision, side, side), "frame": frame_tokens(vision, side, side)}
    if about.audio:
        found["second_of_sound"] = about.audio.tokens_per_second
    return found


def _fit(about: Anatomy, device: Device) -> dict[str, Any]:
    from model import footprint

    config = about.config
    found: dict[str, Any] = {"device": device.kind, "name": device.name, "memory_bytes": device.memory}
    if device.memory is None:
        return found | {"context": None, "arithmetic": "how much memory it has is not known"}
    taken = {
        "weights": about.weights,
        "encoders": about.encoders,
        "computing": footprint.workspace(config),
        "rings and states": footprint.fixed_bytes(config),
    }
    left = device.memory - sum(taken.values())
    sums = " - ".join(f"{size_text(size)} {what}" for what, size in taken.items() if size)
    per_token = footprint.kv_bytes_per_token(config)
    said = f"{size_text(device.memory)} - {sums}"
    if left < 0:
        said += f": {size_text(-left)} too much"
        return found | {"context": 0, "arithmetic": said}
    said += f" = {size_text(left)}"
    context = footprint.longest(config, left + taken["rings and states"])
    if per_token:
        said += f"; / {per_token:,} bytes = {left // per_token:,} tokens"
        if context < config.context:
            said += ", in caches of a power of two"
    return found | {"context": context, "arithmetic": said}


def lines(found: Mapping[str, Any]) -> dict[str, Any]:
    """The facts as text for people: label → one text or several."""
    sizes = found["bytes"]
    active, parameters = found["active_parameters"], found["parameters"]
    rows: dict[str, Any] = {
        "architecture": found["architecture"],
        "parameters": f"{parameters:,}" + (f", a token meets {active:,}" if active != parameters else ""),
        "quantization": found["quantization"],
        "window": f"{found['window']:,}"
        + (f"; --context allows {found['longest']:,}" if found["longest"] > found["window"] else ""),
        "senses": found["senses"],
        "weights": [
            f"{size_text(size)} {what}"
            for what, size in (
                ("in memory, as it comes", sizes["in_memory"]),
                ("in int4 with scales, tables in int8", sizes["int4"]),
                ("in int8", sizes["int8"]),
                ("in bf16", sizes["bf16"]),
                ("more for sight and hearing", sizes["encoders"]),
            )
            if size
        ],
        "cache": [
            f"{found['kv_bytes_per_token']:,} bytes a token at 16 bits, "
            f"{found['kv_bytes_per_token_8_bits']:,} at 8"
        ],
        "tokens": _token_lines(found["tokens"]),
        "largest context": [
            f"{each['device']} ({each['name']}): {_context(each['context'])} [{each['arithmetic']}]"
            for each in found["fits"]
        ],
    }
    if fixed := found["fixed_cache_bytes"]:
        rows["cache"].append(
            f"{size_text(fixed)} for rings and states at 16 bits, "
            f"{size_text(found['fixed_cache_bytes_8_bits'])} at 8"
        )
    return rows


def _context(tokens: int | None) -> str:
    if tokens is None:
        return "unknown"
    return f"{tokens:,} tokens" if tokens else "it does not fit"


def _token_lines(found: Mapping[str, Any]) -> list[str]:
    said = []
    if "image" in found:
        budgets = found.get("image_budgets")
        of = f" at most (of {', '.join(map(str, budgets))})" if budgets else ""
        said.append(f"{found['image']} a picture{of}, {found['frame']} a frame of a video")
    if "second_of_sound" in found:
        said.append(f"{found['second_of_sound']} a second of sound")
    return said


def of_file(path: Path) -> tuple[Anatomy, bool]:
    """Of a model's file or folder, and whether it is a base model.

    Raises:
        ModelError: it is damaged, or of a kind that is not run.
        OSError: it cannot be opened.
    """
    from model.load import describe

    card = describe(path)
    return of_card(card), card.is_base
