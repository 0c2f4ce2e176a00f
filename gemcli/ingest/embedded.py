"""A picture inside a document, such as a book's figure or an attachment: looked at, decoded when asked for.

Only formats that Pillow decodes by itself are opened; nothing is fetched and no other program is run.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gemcli.errors import InputError
from gemcli.ingest.flatten import LYING, MAX_SIDE, flatten, orientation
from gemcli.parts import Anchor, Image

if TYPE_CHECKING:
    import PIL.Image

#: Pixels of a side below which a picture is an ornament: a bullet, a rule, an icon, a tracking pixel.
MIN_SIDE = 24

#: Pixels that are decoded at most; as RGBA and RGB at once they take under half a gigabyte.
MAX_PIXELS = 64_000_000

_NOWHERE = Anchor()
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO")


def embedded_image(
    data: bytes | Callable[[], bytes], anchor: Anchor = _NOWHERE, alt: str = "", key: str = ""
) -> Image | None:
    """A picture as a part, or None where it is an ornament or cannot be decoded.

    Args:
        data: the picture's file, or a function that reads it again, so that it need not be kept.
        anchor, alt: as in `Image`.
        key: as in `Image`; the hash of the bytes when it is empty.
    """
    try:
        return _looked_at(data, anchor, alt, key)
    except InputError:
        return None


@dataclass(slots=True)
class Pictures:
    """The pictures of one document, and what became of those that are not among its parts.

    Attributes:
        damaged: names of those that cannot be decoded.
        ornaments: how many were too small to show anything.
    """

    damaged: list[str] = field(default_factory=list)
    ornaments: int = 0

    def read(
        self, data: bytes | Callable[[], bytes], name: str, anchor: Anchor = _NOWHERE, alt: str = ""
    ) -> Image | None:
        """A picture as a part, or None where there is nothing to see; `name` is for the warning."""
        try:
            image = _looked_at(data, anchor, alt, "")
        except InputError:
            self.damaged.append(name)
            return None
        self.ornaments += image is None
        return image

    def warnings(self) -> list[str]:
        """A sentence about what cannot be decoded, if anything."""
        if not self.damaged:
            return []
        shown = ", ".join(self.damaged[:5])
        more = f" and {len(self.damaged) - 5:,} more" if len(self.damaged) > 5 else ""
        return [f"pictures that cannot be decoded, not read: {shown}{more}"]


def _looked_at(data: bytes | Callable[[], bytes], anchor: Anchor, alt: str, key: str) -> Image | None:
    content = data if isinstance(data, bytes) else data()
    with _opened(content) as picture:
        width, height = picture.size
        if orientation(picture) in LYING:
            width, height = height, width
    if min(width, height) < MIN_SIDE:
        return None

    def pixels() -> PIL.Image.Image:
        return _decoded(data if isinstance(data, bytes) else data())

    key = key or hashlib.sha256(content).hexdigest()
    return Image(width, height, pixels, anchor, key, " ".join(alt.split()))


def _decoded(content: bytes) -> PIL.Image.Image:
    """RGB pixels, upright, on white where it is transparent, at most `MAX_SIDE` on a side."""
    with _opened(content) as picture:
        picture.draft("RGB", (MAX_SIDE, MAX_SIDE))
        picture.load()
        return flatten(picture, orientation(picture))


@contextmanager
def _opened(content: bytes) -> Iterator[PIL.Image.Image]:
    """Any failure of Pillow, then or while it is used, becomes an `InputError`."""
    from PIL import Image as pillow

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of oddities in the metadata, and of the size, checked below
            with pillow.open(io.BytesIO(content), formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise InputError(f"a picture of {picture.width:,} x {picture.height:,} pixels")
                yield picture
    except InputError:
        raise
    except Exception as error:  # each decoder of Pillow has its own
        raise InputError(f"a picture cannot be decoded: {error}") from error
