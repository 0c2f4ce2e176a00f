"""Any decoded picture as models take it: RGB of eight bits, upright, on white, no larger than they look at.

A picture is made smaller before its colours are converted, or strip by strip, so that no second copy of a
large one is made.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

#: The longer side of what is handed on at most, in pixels; no model looks at more.
MAX_SIDE = 4096

#: EXIF orientations that swap width and height.
LYING = (5, 6, 7, 8)

_STRIP_PIXELS = 1 << 21
_MAX_PROFILE = 4 << 20
_WHITE_IS_ZERO = 0
_PHOTOMETRIC = 262


def flatten(picture: PIL.Image.Image, orientation: int = 1, side: int = MAX_SIDE) -> PIL.Image.Image:
    """A decoded picture in RGB, its longer side at most `side` pixels.

    Args:
        picture: of any mode; already decoded.
        orientation: by EXIF, 1 to 8; other values count as 1.
        side: pixels.
    """
    from PIL import Image as pillow

    scale = min(1.0, side / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    if picture.mode in ("RGB", "L", "CMYK", "LAB", "YCbCr") and not picture.has_transparency_data:
        small = picture
        if size != picture.size:
            small = picture.resize(size, pillow.Resampling.BICUBIC, reducing_gap=2.0)
    else:
        small = _by_strips(picture, size)
    return _upright(_srgb(small, picture.info.get("icc_profile")), orientation)


def orientation(picture: PIL.Image.Image) -> int:
    """How a decoded picture is to be turned, by EXIF; 1 where it says nothing sensible."""
    if picture.format in ("TIFF", "HEIF"):
        return 1  # turned by the decoder
    try:
        found = picture.getexif().get(0x0112)
    except Exception:  # damaged metadata; the parser raises whatever it stumbles over
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _by_strips(picture: PIL.Image.Image, size: tuple[int, int]) -> PIL.Image.Image:
    """Convert a strip, make it narrower, and put it under the one before; then make all of it lower."""
    from PIL import Image as pillow

    width, height = picture.size
    deep = picture.mode.startswith(("I", "F"))
    low, high = _range(picture) if deep else (0.0, 255.0)
    grey = deep or picture.mode == "1"
    tall = pillow.new("L" if grey else "RGB", (size[0], height))
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        if deep:
            strip = _eight_bits(strip, low, high)
        elif grey:
            strip = strip.convert("L")
        else:
            strip = _on_white(strip)
        if size[0] != width:
            strip = strip.resize((size[0], strip.height), pillow.Resampling.BICUBIC)
        tall.paste(strip, (0, top))
    return tall if tall.size == size else tall.resize(size, pillow.Resampling.BICUBIC)


def _on_white(strip: PIL.Image.Image) -> PIL.Image.Image:
    from PIL import Image as pillow

    if not strip.has_transparency_data:
        return strip.convert("RGB")
    strip = strip.convert("RGBA")
    paper = pillow.new("RGBA", strip.size, "white")
    paper.alpha_composite(strip)
    return paper.convert("RGB")


def _range(picture: PIL.Image.Image) -> tuple[float, float]:
    """What is black and what is white in a picture of more than eight bits, in its own numbers.

    A PNG uses all of its 16 bits.  Elsewhere twelve bits are common in 16, and numbers of 32 bits have no
    range of their own but what they hold.
    """
    import numpy as np

    low, high = np.inf, -np.inf
    rows = max(1, _STRIP_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        values = _numbers(picture.crop((0, top, picture.width, min(top + rows, picture.height))))
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if picture.format == "PNG":
        return 0.0, 65535.0
    if low >= 0 and high > 1 and not picture.mode.startswith("F"):
        low, high = 0.0, next(white for white in (255.0, 4095.0, 65535.0, 4294967295.0) if high <= white)
    elif (low >= 0 and high <= 1) or low > high:  # a share of white, or no number at all
        low, high = 0.0, 1.0
    elif low == high:
        low, high = low - 1, low + 1
    tags = getattr(picture, "tag_v2", None)
    if tags is not None and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        return high, low
    return low, high


def _eight_bits(strip: PIL.Image.Image, low: float, high: float) -> PIL.Image.Image:
    import numpy as np
    from PIL import Image as pillow

    scaled = (_numbers(strip) - low) * (255.0 / (high - low))
    return pillow.fromarray(np.nan_to_num(scaled).clip(0, 255).round().astype(np.uint8))


def _numbers(strip: PIL.Image.Image) -> np.ndarray:
    """f64 [height, width]."""
    import numpy as np

    return np.asarray(strip).astype(np.float64)


def _srgb(image: PIL.Image.Image, profile: object) -> PIL.Image.Image:
    """Colours as a screen shows them; a profile that cannot be used is passed over."""
    from PIL import ImageCms

    if image.mode == "LAB":
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    elif image.mode not in ("RGB", "CMYK") or not isinstance(profile, bytes) or _needless(profile):
        return image.convert("RGB")
    else:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        except OSError:
            return image.convert("RGB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            screen = ImageCms.createProfile("sRGB")
            shown = ImageCms.profileToProfile(image, source, screen, outputMode="RGB")
    except ImageCms.PyCMSError:  # of another colour space than the picture, or damaged
        shown = None
    return shown or image.convert("RGB")


def _needless(profile: bytes) -> bool:
    """Whether a profile is that of every screen, or of a size that no honest one has."""
    return len(profile) > _MAX_PROFILE or b"sRGB" in profile or b"s\0R\0G\0B" in profile


def _upright(image: PIL.Image.Image, orientation: int) -> PIL.Image.Image:
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(orientation)
    return image if turn is None else image.transpose(turn)
