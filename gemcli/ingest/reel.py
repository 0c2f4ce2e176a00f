"""Pixels of a picture file when they are asked for; of several frames, each from where the last one ended.

One file of several frames is kept open at a time: its frames build on one another, and asked for in their
order each is decoded once.  What is kept is let go with the last frame that can be asked for.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from gemcli.errors import InputError
from gemcli.ingest.flatten import MAX_SIDE, flatten, orientation
from gemcli.ingest.raster import draft, failures_told, load, opened
from gemcli.ingest.source import Source

if TYPE_CHECKING:
    import PIL.Image
    from PIL.ImageFile import ImageFile

_LOCK = threading.Lock()


def still(source: Source) -> PIL.Image.Image:
    """The only picture of a file, or its first: RGB, upright, at most `MAX_SIDE` pixels on a side.

    Raises:
        InputError: it cannot be decoded.
    """
    with opened(source) as picture:
        draft(picture, MAX_SIDE)
        load(picture)
        return flatten(picture, orientation(picture))


class Reel:
    """The frames of one file.

    Args:
        source: the file.
        last: the last frame that will be asked for, from 0; after it the file is closed.
    """

    _open: Reel | None = None

    def __init__(self, source: Source, last: int) -> None:
        self._source = source
        self._last = last
        self._stack = ExitStack()
        self._picture: ImageFile | None = None

    def frame(self, index: int) -> PIL.Image.Image:
        """Frame `index`, from 0: RGB, upright, at most `MAX_SIDE` pixels on a side.

        Raises:
            InputError: it cannot be decoded.
        """
        with _LOCK:
            if self._picture is not None and index < self._picture.tell():
                self._close()  # not every format can be wound back
            picture = self._picture or self._opened()
            try:
                with failures_told(self._source):
                    picture.seek(index)
                    load(picture)
                    shown = flatten(picture, orientation(picture))
            except InputError:
                self._close()
                raise
            if index >= self._last:
                self._close()
            return shown

    def _opened(self) -> ImageFile:
        if Reel._open is not None:
            Reel._open._close()
        picture = self._picture = self._stack.enter_context(opened(self._source))
        Reel._open = self
        return picture

    def _close(self) -> None:
        self._stack.close()
        self._picture = None
        if Reel._open is self:
            Reel._open = None
