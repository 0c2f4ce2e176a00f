"""What a picture file says about itself beside its pixels: the camera and how it was set, a caption.

Neither where nor when it was taken, nor by whom: that is told only to who asks for it by other means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import PIL.Image

_MAKE, _MODEL, _DESCRIPTION, _EXIF_FOLDER = 0x010F, 0x0110, 0x010E, 0x8769
_EXPOSURE, _APERTURE, _ISO, _FOCAL, _LENS = 0x829A, 0x829D, 0x8827, 0x920A, 0xA434
_MAX_CAPTION = 500


def facts(picture: PIL.Image.Image) -> dict[str, object]:
    """Make and model, lens, and how it was set; JSON values, and only those that are there."""
    try:
        exif = picture.getexif()
        folder = exif.get_ifd(_EXIF_FOLDER)
        camera = _camera(exif)
        found = {"camera": camera, "lens": _text(folder.get(_LENS)), "exposure": _exposure(folder)}
    except Exception:  # damaged metadata; the parser raises whatever it stumbles over
        return {}
    return {name: value for name, value in found.items() if value}


def caption(picture: PIL.Image.Image) -> str:
    """What the file says that it shows; ``""`` where it says nothing, or only the camera's name."""
    info = picture.info
    try:
        exif = picture.getexif()
        described = _text(exif.get(_DESCRIPTION))
        if described.isupper():  # cameras put their own name there
            described = ""
    except Exception:  # damaged metadata; the parser raises whatever it stumbles over
        described = ""
    named = [_text(info.get(key)) for key in ("Title", "Description")]
    return " – ".join(dict.fromkeys(filter(None, (*named, described))))


def _camera(exif: Mapping[int, object]) -> str:
    make, model = _text(exif.get(_MAKE)), _text(exif.get(_MODEL))
    first = make.partition(" ")[0]
    return model if not first or model.lower().startswith(first.lower()) else f"{make} {model}".strip()


def _exposure(folder: Mapping[int, object]) -> str:
    """``1/125 s, f/2.8, ISO 200, 35 mm``."""
    said: list[str] = []
    time, aperture, speed, focal = (_number(folder.get(tag)) for tag in (_EXPOSURE, _APERTURE, _ISO, _FOCAL))
    if time:
        said.append(f"1/{1 / time:.0f} s" if time < 0.3 else f"{time:g} s")
    if aperture:
        said.append(f"f/{aperture:g}")
    if speed:
        said.append(f"ISO {speed:g}")
    if focal:
        said.append(f"{focal:g} mm")
    return ", ".join(said)


def _number(value: object) -> float:
    if isinstance(value, tuple) and value:
        value = value[0]
    try:
        number = float(value)  # type: ignore[arg-type]  # EXIF's fractions are numbers too
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if 0 < number < 1e7 else 0.0


def _text(value: object) -> str:
    """One line; ``""`` for what is no text, and for what is too long to be a caption."""
    if not isinstance(value, str):
        return ""
    shown = " ".join("".join(char if char.isprintable() else " " for char in value).split())
    return shown if len(shown) <= _MAX_CAPTION else ""
