"""Small recordings and videos made by the tests; every frame carries its number as eight bars."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image as pillow

UNIT = Fraction(1, 1000)
RATE = 16_000


def bars(number: int, width: int, height: int) -> np.ndarray:
    """RGB u8 [height, width, 3]: the bits of a number as black and white bars, the highest first."""
    bits = [number >> (7 - place) & 1 for place in range(8)]
    columns = np.repeat(np.array(bits, np.uint8) * 200 + 28, -(-width // 8))[:width]
    return np.broadcast_to(columns[None, :, None], (height, width, 3)).copy()


def number(picture: pillow.Image) -> int:
    """The number that `bars` drew."""
    grey = np.asarray(picture.convert("L"), np.float32)
    middle = grey[grey.shape[0] // 4 : grey.shape[0] * 3 // 4]
    values = [int(each.mean() > 128) for each in np.array_split(middle.mean(axis=0), 8)]
    return sum(bit << (7 - place) for place, bit in enumerate(values))


def tone(seconds: float, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
    """f32 [n] at 16 kHz."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def movie(
    path: Path,
    times: Sequence[int],
    *,
    size: tuple[int, int] = (160, 96),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    gop: int = 12,
    b_frames: int = 2,
    turn: int = 0,
    pixel_shape: Fraction | None = None,
    sound: np.ndarray | None = None,
    sound_at: int = 0,
    chapters: Sequence[tuple[int, int, str]] = (),
    subtitles: Sequence[tuple[int, int, str]] = (),
    subtitle_codec: str = "mov_text",
    muxing: dict[str, str] | None = None,
) -> Path:
    """A video whose frames 0, 1, … are shown at `times` (ms).

    Args:
        turn: degrees clockwise by which it is to be turned when shown.
        sound, sound_at: 16 kHz mono f32, and when it begins (ms).
        chapters, subtitles: (start, end, text) in ms.
    """
    with av.open(str(path), "w", options=muxing or {}) as out:
        video = out.add_stream(codec, rate=25)
        video.width, video.height = size
        video.pix_fmt = pix_fmt
        video.time_base = UNIT
        video.codec_context.time_base = UNIT
        video.codec_context.gop_size = gop
        if codec == "libx264":
            video.codec_context.options = {"bf": str(b_frames), "preset": "ultrafast", "sc_threshold": "0"}
        if pixel_shape is not None:
            video.codec_context.sample_aspect_ratio = pixel_shape
        if turn:
            video.set_display_rotation(-turn)
        audio = out.add_stream("aac", rate=RATE, layout="mono") if sound is not None else None
        texts = out.add_mux_stream(subtitle_codec) if subtitles else None
        if chapters:
            out.set_chapters(
                [
                    {
                        "id": place,
                        "start": start,
                        "end": end,
                        "time_base": UNIT,
                        "metadata": {"title": title},
                    }
                    for place, (start, end, title) in enumerate(chapters)
                ]
            )
        packets = []
        for place, at in enumerate(times):
            frame = av.VideoFrame.from_ndarray(bars(place, *size), format="rgb24")
            frame.pts, frame.time_base = at, UNIT
            packets += video.encode(frame)
        packets += video.encode(None)
        if audio is not None and sound is not None:
            for start in range(0, len(sound), 1024):
                frame = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], "fltp", "mono")
                frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
                frame.pts = start + sound_at * RATE // 1000
                packets += audio.encode(frame)
            packets += audio.encode(None)
        if texts is not None:
            for start, end, text in subtitles:
                encoded = text.encode()
                packet = av.Packet(
                    len(encoded).to_bytes(2, "big") + encoded if "mov" in subtitle_codec else encoded
                )
                packet.stream, packet.time_base = texts, UNIT
                packet.pts = packet.dts = start
                packet.duration = end - start
                packets.append(packet)
        packets.sort(key=lambda each: (each.dts or 0) * (each.time_base or 0))
        out.mux(packets)
    return path


def recording(
    path: Path, sound: np.ndarray, codec: str, rate: int = RATE, tags: dict[str, str] | None = None
) -> Path:
    """A recording of one channel; `sound` is f32 at `rate`."""
    with av.open(str(path), "w") as out:
        out.metadata.update(tags or {})
        stream = out.add_stream(codec, rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        resampler = av.AudioResampler(
            stream.codec_context.format.name,
            "mono",
            stream.codec_context.sample_rate,
            stream.codec_context.frame_size,
        )
        for each in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(each))
        out.mux(stream.encode(None))
    return path
