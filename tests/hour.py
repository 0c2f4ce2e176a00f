"""An hour of 1080p in seconds: a short stretch is encoded once, and its packets repeated with later times.

As a program it prints what reading it costs: ``python tests/hour.py FILE FPS``; the file is made
where it is missing.  CPU seconds count the work of all threads, whatever else the machine does.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FPS = 30
SECONDS = 25  # of the stretch; ten times a multiple of the distance between key frames, and of an hour


def make(path: Path, hours: float = 1.0) -> Path:
    """Write an MP4 of 1080p30 H.264 with key frames 250 frames apart, as x264 does by default."""
    stretch = path.with_suffix(".stretch.mp4")
    with av.open(str(stretch), "w") as out:
        video = out.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 1920, 1080, "yuv420p"
        video.codec_context.options = {"preset": "veryfast", "crf": "23", "sc_threshold": "0"}
        noise = np.random.default_rng(0).normal(0, 6, (270, 480, 3)).repeat(4, 0).repeat(4, 1)
        across = np.linspace(0, 255, 1920)[None, :, None] * np.ones((1080, 1, 3))
        for place in range(SECONDS * FPS):
            picture = np.roll(across, place * 7, 1) * 0.6 + np.roll(noise, place * 3, 0) + 40
            picture[400:700, (place * 11) % 1600 :][:, :300] = 230
            frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    with av.open(str(stretch)) as source, av.open(str(path), "w") as out:
        given = source.streams.video[0]
        video = out.add_stream_from_template(given)
        unit = given.time_base or Fraction(1, 1)
        packets = [
            (bytes(each), each.pts, each.dts, each.is_keyframe) for each in source.demux(given) if each.size
        ]
        for turn in range(round(hours * 3600 / SECONDS)):
            shift = round(turn * SECONDS / unit)
            for data, pts, dts, is_keyframe in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = video, unit
                packet.pts, packet.dts, packet.is_keyframe = (
                    (pts or 0) + shift,
                    (dts or 0) + shift,
                    is_keyframe,
                )
                packet.duration = round(Fraction(1, FPS) / unit)
                out.mux_one(packet)
    stretch.unlink()
    return path


def measure(path: Path, fps: float | None) -> dict[str, float]:
    """What it costs to plan a video, then to decode its frames."""
    from gemcli.ingest.frames import distinct
    from gemcli.ingest.recording import read
    from gemcli.ingest.source import Source
    from gemcli.ingest.wants import Wants
    from gemcli.parts import Image

    def quiet(done: int, total: int) -> None:
        """Progress is not shown."""

    began, worked = time.perf_counter(), time.process_time()
    document = read(Source(path.name, path, "video/mp4", wants=Wants(fps=fps)), quiet)
    planned, planning = time.perf_counter() - began, time.process_time() - worked
    planned_rss = _peak_mb()
    frames = [part for part in document.parts if isinstance(part, Image)]
    began, worked = time.perf_counter(), time.process_time()
    shown = sum(1 for _ in distinct(frames, quiet))
    return {
        "frames": len(frames),
        "distinct": shown,
        "plan_s": round(planned, 2),
        "plan_cpu_s": round(planning, 2),
        "plan_rss_mb": planned_rss,
        "decode_s": round(time.perf_counter() - began, 2),
        "decode_cpu_s": round(time.process_time() - worked, 2),
        "rss_mb": _peak_mb(),
    }


def _peak_mb() -> int:
    """This program's own peak: getrusage counts that of the process which started it, too."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (each for each in status.read_text().splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


if __name__ == "__main__":
    file = Path(sys.argv[1])
    if not file.exists():
        make(file)
    print(json.dumps(measure(file, float(sys.argv[2]) if len(sys.argv) > 2 else None)))
