"""Pictures: a still is one part; so is each of several pages, and each frame of an animation that differs."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from gemcli.errors import InputError, UsageError
from gemcli.ingest.animation import Motion, watch
from gemcli.ingest.camera import caption, facts
from gemcli.ingest.flatten import LYING, orientation
from gemcli.ingest.kinds import kind_name
from gemcli.ingest.ranges import compact, numbered
from gemcli.ingest.raster import check_size, draft, load, opened
from gemcli.ingest.reel import Reel, still
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.parts import Anchor, Document, Image

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

#: Pages of one file at most; there is no telling how many a damaged one claims to have.
MAX_PAGES = 20_000

#: Pixels that are decoded to find damage; pages behind them are decoded when they are asked for only.
MAX_CHECKED = 2_000_000_000

_PAGED = ("TIFF", "HEIF")
_MOVING = ("GIF", "WEBP", "PNG", "AVIF")
_PROOF_SIDE = 64
_SUBFILE = 254
_THUMBNAIL_OR_MASK = 1 | 4


def read(source: Source, report: Report) -> Document:
    """Read a picture file; `report` counts pages or frames.

    Everything is decoded once, so that damage is found here; pixels are decoded again when asked for.

    Raises:
        InputError: it is damaged, too large, or needs a library that is not installed.
        UsageError: lines are asked for, or pages that it does not have.
    """
    if source.selection is not None and source.selection.unit == "line":
        raise UsageError(f"{source.name} is {kind_name(source.media_type)}: it has no lines")
    if not source.head(1):
        raise EmptyError(f"{source.name} is empty")
    sha256 = source.sha256()
    with opened(source) as picture:
        if picture.format in _PAGED and getattr(picture, "is_animated", False):
            return _pages(source, sha256, picture, report)
        selection = source.selection
        if selection is not None and selection.exact:
            selection.within(1, source.name)
        if picture.format in _MOVING and getattr(picture, "is_animated", False):
            return _animation(source, sha256, picture, report)
        return _still(source, sha256, picture)


def _still(source: Source, sha256: str, picture: ImageFile) -> Document:
    width, height = picture.size
    lost = _proved(picture)
    if picture.format not in ("JPEG", "MPO"):
        width, height = picture.size  # a TIFF is turned while it is decoded; a JPEG is decoded smaller
    if orientation(picture) in LYING:
        width, height = height, width
    alt = caption(picture)
    part = Image(width, height, partial(still, source), Anchor(), sha256, alt)
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=(part,),
        warnings=(lost,) if lost else (),
        meta={"width": width, "height": height, "format": _format(picture)} | facts(picture),
    )


def _pages(source: Source, sha256: str, picture: ImageFile, report: Report) -> Document:
    """Pages of a TIFF, or the pictures of a HEIC collection."""
    frames, said = _page_frames(picture)
    count = len(frames)
    wanted = list(range(1, count + 1))
    if source.selection is not None:
        spans = source.selection.within(count, source.name)
        wanted = [number for first, last in spans for number in range(first, last + 1)]
        if source.selection.clipped(count):
            said.append(f"has {count:,} pages: of range {source.selection.text}, {compact(wanted)} was read")
    reel = Reel(source, frames[wanted[-1] - 1])
    parts: list[Image] = []
    damaged: list[int] = []
    budget = MAX_CHECKED
    role = "page" if picture.format == "TIFF" else "picture"
    for done, number in enumerate(wanted):
        report(done, len(wanted))
        frame = frames[number - 1]
        try:
            picture.seek(frame)
            check_size(source, picture)
            budget -= picture.width * picture.height
            lost = _proved(picture) if budget > 0 else None
        except Exception:  # Pillow's, of any kind
            damaged.append(number)
            continue
        if lost:
            said.append(f"page {number} {lost}")
        width, height = picture.size
        anchor = Anchor(page=number) if count > 1 else Anchor()
        pixels = partial(reel.frame, frame)
        parts.append(Image(width, height, pixels, anchor, f"{sha256}#{frame}", caption(picture), role))
    report(len(wanted), len(wanted))
    if damaged:
        pages = numbered("page", damaged)
        if not parts:
            raise InputError(f"{source.name} is damaged: {pages} cannot be decoded")
        said.append(f"damaged or too large, and not read: {pages}")
    first = parts[0]
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=tuple(parts),
        warnings=tuple(said),
        meta={"width": first.width, "height": first.height, "format": _format(picture), "pages": count},
    )


def _page_frames(picture: ImageFile) -> tuple[list[int], list[str]]:
    """The frames that are pages, and why there may be more of them.

    What a TIFF declares to be a thumbnail or a mask of another page is none.
    """
    frames: list[int] = []
    others: list[int] = []
    said: list[str] = []
    for frame in range(MAX_PAGES + 1):
        try:
            picture.seek(frame)
        except EOFError:
            break
        except Exception:  # Pillow's, of any kind; what lies behind cannot be found
            said.append(f"is damaged: pages behind page {len(frames) + 1} cannot be found")
            frames.append(frame)
            break
        if frame == MAX_PAGES:
            said.append(f"has more than {MAX_PAGES:,} pages: the others are not read")
            break
        tags = getattr(picture, "tag_v2", {})
        kind = tags.get(_SUBFILE, 0)
        extra = isinstance(kind, int) and kind & _THUMBNAIL_OR_MASK
        (others if extra else frames).append(frame)
    return frames or others, said


def _animation(source: Source, sha256: str, picture: ImageFile, report: Report) -> Document:
    motion = watch(source, picture, report)
    width, height = picture.size if orientation(picture) not in LYING else picture.size[::-1]
    meta = {"width": width, "height": height, "format": _format(picture)}
    said = motion.warnings()
    if _lacks_end(source, picture.format):
        said.append("is cut short: its end mark is missing; frames may be missing")
    reel = Reel(source, motion.kept[-1].index)
    parts = [
        Image(
            width,
            height,
            partial(reel.frame, frame.index),
            Anchor(seconds=(frame.start, frame.end)) if motion.frames > 1 else Anchor(),
            f"{sha256}#{frame.index}",
            role="frame" if motion.frames > 1 else "picture",
        )
        for frame in motion.kept
    ]
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=tuple(parts),
        warnings=tuple(said),
        meta=meta | _length(motion),
    )


def _length(motion: Motion) -> dict[str, object]:
    return {"frames": motion.frames, "duration": round(motion.seconds, 3)}


def _proved(picture: ImageFile) -> str | None:
    """Decode it, as small as its format allows; what is missing, if anything."""
    draft(picture, _PROOF_SIDE)
    return load(picture)


def _lacks_end(source: Source, form: str | None) -> bool:
    """Whether a GIF, which tells its length nowhere, ends without its end mark."""
    if form != "GIF":
        return False
    with source.open() as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 1024))
        return b";" not in stream.read()[-512:].rstrip(b"\0")[-2:]


def _format(picture: ImageFile) -> str:
    return {"MPO": "JPEG", "DIB": "BMP", "HEIF": "HEIC"}.get(picture.format or "", picture.format or "")
