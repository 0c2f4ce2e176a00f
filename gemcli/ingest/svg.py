"""SVG: drawn by resvg as one picture, and the words in it as text.

The renderer runs in a process of its own, bounded in memory and time: a drawing of a few hundred bytes can
ask for any amount of either.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gemcli.errors import InputError, UsageError
from gemcli.ingest.flatten import MAX_SIDE, flatten
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.ingest.svg_clean import Drawing, clean
from gemcli.parts import Anchor, Document, Image, Text

if TYPE_CHECKING:
    import PIL.Image

#: Bytes of a file at most.
MAX_BYTES = 64_000_000

#: Pixels of the longer side at least: a drawing has no grain, and an icon says more when it is large.
MIN_SIDE = 1024

#: Seconds that a drawing may take.
MAX_SECONDS = 20

#: Bytes of the renderer's address space.
MAX_MEMORY = 1 << 30

_PROOF_SIDE = 256

#: Draws what stands in standard input; its own paths and sizes come as JSON in the first argument.
_PROGRAM = """
import json, signal, sys
task = json.loads(sys.argv[1])
sys.path[:] = task["path"]
signal.signal(signal.SIGINT, signal.SIG_DFL)
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: when nobody waits for the picture
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (task["memory"], task["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (task["seconds"], task["seconds"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
import resvg_py
drawing = sys.stdin.buffer.read().decode()
try:
    picture = bytes(resvg_py.svg_to_bytes(svg_string=drawing, background="white", dpi=96, **task["size"]))
except ValueError as error:
    sys.exit(str(error))
sys.stdout.buffer.write(picture)
"""


def read(source: Source, report: Report) -> Document:
    """Read an SVG; `report` is not called.

    Raises:
        InputError: it is no SVG, cannot be drawn, or resvg is not installed and no words are in it.
        UsageError: lines or pages are asked for.
    """
    if source.selection is not None and source.selection.exact:
        raise UsageError(f"{source.name} is a drawing: it has neither pages nor lines")
    data = _bytes(source)
    drawing = clean(data, source.name)
    sha256 = hashlib.sha256(data).hexdigest()
    del data
    said: list[str] = []
    parts: list[Image | Text] = []
    if find_spec("resvg_py") is None:
        if not drawing.lines:
            raise InputError(f"{source.name} is a drawing: no library for it is installed", _INSTALL)
        said.append(f"only the words in the drawing are read; to see it: {_INSTALL}")
    else:
        width, height = _proved(drawing, source.name)

        def pixels() -> PIL.Image.Image:
            return _drawn(clean(_bytes(source), source.name), {"width": width, "height": height}, source.name)

        alt = " – ".join(filter(None, (drawing.title, drawing.description)))
        parts.append(Image(width, height, pixels, Anchor(), sha256, alt))
    if drawing.lines:
        parts.append(Text("\n".join(drawing.lines)))
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=tuple(parts),
        warnings=(*said, *_warnings(drawing)),
        meta=_meta(drawing),
    )


_INSTALL = 'pip install "gemcli[images]"'


def _bytes(source: Source) -> bytes:
    with source.open() as stream:
        data = stream.read(MAX_BYTES + 1)
    if not data.strip():
        raise EmptyError(f"{source.name} is empty")
    if len(data) > MAX_BYTES:
        raise InputError(
            f"{source.name} is a drawing of more than {MAX_BYTES // 1_000_000} MB: too large to be drawn",
            "save it as a PNG first",
        )
    return data


def _proved(drawing: Drawing, name: str) -> tuple[int, int]:
    """Draw it small, to see that it can be drawn; the size in pixels to draw it in later."""
    if drawing.size is None:
        across, down = _drawn(drawing, {"width": _PROOF_SIDE}, name).size  # as wide and high as what is in it
    else:
        across, down = drawing.size
        _drawn(drawing, _fitted(across, down, _PROOF_SIDE, name), name)
    side = min(MAX_SIDE, max(MIN_SIDE, math.ceil(max(across, down))))
    size = _fitted(across, down, side, name)
    return size["width"], size["height"]


def _fitted(across: float, down: float, side: int, name: str) -> dict[str, int]:
    """A width and height of that shape, the longer `side` pixels."""
    longer = max(across, down)
    if not 0 < longer < math.inf:
        raise InputError(f"{name} is a drawing of no size: it cannot be drawn")
    return {"width": max(1, round(side * across / longer)), "height": max(1, round(side * down / longer))}


def _drawn(drawing: Drawing, size: dict[str, int], name: str) -> PIL.Image.Image:
    """The drawing in RGB on white.

    Raises:
        InputError: it cannot be drawn, or takes too much time or memory.
    """
    from PIL import Image as pillow

    task = {"path": sys.path, "memory": MAX_MEMORY, "seconds": MAX_SECONDS, "size": size}
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _PROGRAM, json.dumps(task)],
            input=drawing.xml.encode(errors="replace"),
            capture_output=True,
            timeout=2 * MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{name} takes longer than {MAX_SECONDS} s to be drawn", _EXPORT) from None
    except OSError as error:
        raise InputError(f"{name} cannot be drawn: {error.strerror or error}") from error
    if done.returncode == 1 and done.stderr:
        why = " ".join(done.stderr.decode(errors="replace").split()[-20:])
        raise InputError(f"{name} is damaged: it cannot be drawn ({why[-160:]})", _EXPORT)
    if done.returncode != 0:
        raise InputError(f"{name} takes more memory or time to be drawn than is given to it", _EXPORT)
    with pillow.open(io.BytesIO(done.stdout), formats=("PNG",)) as picture:
        picture.load()
        return flatten(picture)


_EXPORT = "save it as a PNG with the program that made it"


def _warnings(drawing: Drawing) -> list[str]:
    said: list[str] = []
    if drawing.damage:
        said.append(f"is cut short or damaged ({drawing.damage}): what comes after is missing")
    if drawing.blocked:
        shown = ", ".join(drawing.blocked[:3]) + (", …" if len(drawing.blocked) > 3 else "")
        said.append(f"refers to what is outside of it, which is never fetched: {shown}")
    if drawing.html:
        said.append("holds HTML, which is not drawn; the words in it are read")
    return said


def _meta(drawing: Drawing) -> dict[str, object]:
    meta: dict[str, object] = {"format": "SVG"}
    if drawing.size is not None:
        meta |= {"width": round(drawing.size[0]), "height": round(drawing.size[1])}
    return meta | ({"title": drawing.title} if drawing.title else {})
