"""Makes the picture, the recording and the video of this folder: ``python make_media.py JFK.WAV``.

The speech is the end of the inaugural address of 20 January 1961, a work of the United States government in
the public domain (``samples/jfk.wav`` of whisper.cpp).  The pictures are drawn here.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
SLIDES = (
    ("Inaugural Address", "Washington, 20 January 1961"),
    ("Ask not", "what your country can do for you"),
)
RECEIPT = (
    "CORNER BOOKSHOP",
    "14 Mill Lane, Harwich",
    "Date 2024-03-09   14:32",
    "",
    "The Voyage Out          8.99",
    "Pencils, box of 12      4.50",
    "Map of the coast        6.25",
    "",
    "TOTAL                  19.74",
    "Paid by card, thank you",
)


def receipt(path: Path) -> None:
    """A till receipt as a picture."""
    image = Image.new("L", (640, 520), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=26)
    for row, line in enumerate(RECEIPT):
        left, _, price = line.rpartition("   ")
        draw.text((40, 30 + 46 * row), (left or line).rstrip(), 0, font)
        if left:
            draw.text((600, 30 + 46 * row), price.strip(), 0, font, anchor="ra")
    image.save(path, optimize=True)


def slide(title: str, line: str) -> np.ndarray:
    """A frame u8 [240, 426, 3]."""
    image = Image.new("RGB", (426, 240), (20, 40, 80))
    draw = ImageDraw.Draw(image)
    draw.text((24, 70), title, (255, 255, 255), ImageFont.load_default(size=34))
    draw.text((24, 130), line, (255, 255, 255), ImageFont.load_default(size=22))
    return np.asarray(image)


def encode(speech: Path, path: Path, codec: str, rate: int, *, slides: bool) -> None:
    """The speech, and with `slides` one picture for each half of it."""
    with av.open(str(speech)) as source, av.open(str(path), "w") as out:
        video = None
        if slides:
            video = out.add_stream("libx264", rate=10, options={"crf": "30", "preset": "veryslow"})
            video.width, video.height, video.pix_fmt = 426, 240, "yuv420p"
        sound = out.add_stream(codec, rate=rate, layout="mono")
        sound.bit_rate = 24_000
        resampler = av.AudioResampler("fltp" if codec == "aac" else "flt", "mono", rate)
        seconds = float(source.duration or 0) / av.time_base
        if video is not None:
            for number in range(int(seconds * 10)):
                frame = av.VideoFrame.from_ndarray(slide(*SLIDES[number >= seconds * 5]), "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                out.mux(video.encode(frame))
            out.mux(video.encode())
        for decoded in source.decode(audio=0):
            for frame in resampler.resample(decoded):
                out.mux(sound.encode(frame))
        for frame in resampler.resample(None):
            out.mux(sound.encode(frame))
        out.mux(sound.encode())


if __name__ == "__main__":
    spoken = Path(sys.argv[1])
    receipt(HERE / "receipt.png")
    encode(spoken, HERE / "address.ogg", "libopus", 48_000, slides=False)
    encode(spoken, HERE / "address.mp4", "aac", 16_000, slides=True)
