"""Pictures and sounds as files named by the hash of what is in them, so that each is kept once.

Pictures are PNG, pixel for pixel.  Sound is FLAC of 16 bits, which is all that recordings have.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gemcli.errors import InputError
from gemcli.history.database import folder
from gemcli.parts import Audio, Image
from gemcli.settings import make_private

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

RATE = 16_000
_LEVEL = 1  # of PNG's compression: half a second for a large photograph
_STALE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Draft:
    """A picture or a sound that was written, but does not yet have its place.

    Attributes:
        name: of the file that it becomes.
        path: where it is now.
    """

    name: str
    path: Path

    def settle(self) -> None:
        """Put it in its place, where it is once whoever else does it."""
        self.path.replace(place(self.name))


def media_folder() -> Path:
    """Where the files lie; it need not exist."""
    return folder() / "media"


def place(name: str) -> Path:
    """The path of a file by its name, the name being our own hash and suffix."""
    return media_folder() / name


def key_of(part: Image | Audio) -> str:
    """What a part's pixels or samples depend on; ``""`` where that is not known."""
    if not part.key:
        return ""
    shape = f"{part.width}x{part.height}" if isinstance(part, Image) else f"{part.seconds}"
    return f"{type(part).__name__.lower()}:{part.key}:{shape}"


def write(part: Image | Audio) -> Draft:
    """Decode a part and write it.

    Raises:
        InputError: it cannot be decoded.
        OSError: the disk refuses.
    """
    make_private(media_folder())
    suffix = "png" if isinstance(part, Image) else "flac"
    path = media_folder() / f"{os.getpid()}-{secrets.token_hex(4)}.{suffix}.part"
    try:
        if isinstance(part, Image):
            part.pixels().convert("RGB").save(path, "PNG", compress_level=_LEVEL)
        else:
            _write_sound(part, path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        path.chmod(0o600)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Draft(f"{digest}.{suffix}", path)


def pixels(name: str, source: str) -> PIL.Image.Image:
    """The picture in a file.

    Raises:
        InputError: it is gone or damaged.
    """
    from PIL import Image as Pillow

    try:
        with Pillow.open(place(name), formats=("PNG",)) as picture:
            picture.load()
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise _gone(name, source, "picture") from error


def samples(name: str, source: str) -> Iterator[np.ndarray]:
    """The sound in a file: f32 [n] in -1 … 1, mono, `RATE`, in short blocks.

    Raises:
        InputError: it is gone or damaged.
    """
    import av
    import numpy as np
    from av.error import FFmpegError

    try:
        with av.open(str(place(name)), format="flac") as container:
            frames = container.decode(audio=0)
            first = next(frames, None)  # the decoder passes over damage in silence
            if first is None:
                raise ValueError("there is no sound in it")
            for frame in chain((first,), frames):
                yield frame.to_ndarray().reshape(-1).astype(np.float32) / np.float32(1 << 15)
    except (OSError, FFmpegError, ValueError) as error:
        raise _gone(name, source, "sound") from error


def remove(names: list[str]) -> None:
    """Delete files that nothing names any more, and what a process that died left behind."""
    import time

    for name in names:
        with suppress(OSError):
            place(name).unlink()
    with suppress(OSError):
        for path in media_folder().glob("*.part"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE_S:
                    path.unlink()


def _write_sound(part: Audio, path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w", format="flac") as container:
        stream = cast("av.AudioStream", container.add_stream("flac", rate=RATE, layout="mono", format="s16"))
        for block in part.samples():
            whole = np.clip(np.rint(block * (1 << 15)), -(1 << 15), (1 << 15) - 1).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
            frame.sample_rate = RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _gone(name: str, source: str, what: str) -> InputError:
    return InputError(
        f"{source}: a {what} of this conversation is missing or damaged ({place(name)})",
        "Ask about the file again in a new conversation.",
    )
