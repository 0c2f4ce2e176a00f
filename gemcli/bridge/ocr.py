"""What is written in a picture, as text: Tesseract, on pictures made fit for it, and "" where nothing is.

Measured with ``tessdata_fast`` (share of wrong characters): for a page of one column, segmentation 6 is best
(0.2-1.8 % of manuals at 150 dpi, where 3 loses the order of some: 0.3-6 %); two columns need 3 (0 %, where 4
and 6 read across them: 72 %), which also finds nothing in photographs, where 6 and 11 see letters in every
texture.  An uneven background is divided out first (a photographed page: 1.7 % instead of 43 %), and small
print is enlarged.
"""

from __future__ import annotations

import importlib.util
import locale
import os
import sysconfig
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemcli.bridge.paper import flattened, has_columns
from gemcli.errors import GemcliError

if TYPE_CHECKING:
    import PIL.Image

VERSION = 1
"""To be raised when the same picture would give another text."""

INSTALL = 'pip install "gemcli[ocr]"'

WORKERS = 2
"""Pages read at once; Tesseract lets go of the interpreter while it reads."""

_AUTO, _ONE_BLOCK = 3, 6  # page segmentation
_LOW, _LOWEST = 14, 7  # pixels of a word's height below which print is enlarged to twice, thrice its size
_SURE = 75  # mean confidence of a line, in percent, that is certainly print
_LIKELY = 65  # the same for a line on its own
_FAIR = 50  # the same in the midst of print
_PRINT = 20  # letters of lines that are `_SURE` which make a picture print
_MOST = 16_000_000  # pixels that are looked at
_SMALL = 600  # pixels of the longer side below which print may be too small to be noticed
_LEAST = 16  # pixels of the shorter side
_SYSTEM = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)


class MissingError(GemcliError):
    """Tesseract, or the data of a language, is not installed."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Where the data is and which languages are read: ``eng`` or ``deu+eng``."""

    folder: Path
    languages: str

    def key(self) -> list[object]:
        """What the text of a picture depends on beside the picture."""
        return ["tesseract", VERSION, self.languages]


def find() -> Setup:
    """The installed Tesseract; loads nothing.

    The languages are those of ``GEMCLI_OCR_LANGUAGES`` (``deu+eng``), otherwise English and that of the
    person's locale as far as their data is installed.  The data is looked for in ``TESSDATA_PREFIX``, in this
    environment, and where systems put it.

    Raises:
        MissingError: there is none, or no data of a language that was asked for.
    """
    if importlib.util.find_spec("tesserocr") is None:
        raise MissingError("OCR is not installed", INSTALL)
    wanted = [each for each in os.environ.get("GEMCLI_OCR_LANGUAGES", "").split("+") if each]
    for folder in _folders():
        here = {each.stem for each in folder.glob("*.traineddata")} - {"osd", "equ"}
        if wanted and here.issuperset(wanted):
            return Setup(folder, "+".join(wanted))
        if here and not wanted:
            likely = [each for each in (_own_language(), "eng") if each in here]
            return Setup(folder, "+".join(dict.fromkeys(likely)) or min(here))
    what = f"the data of {'+'.join(wanted)}" if wanted else "its data of any language"
    raise MissingError(
        f"OCR is installed without {what}",
        f"{INSTALL}, or set TESSDATA_PREFIX to the folder that holds its .traineddata files",
    )


def _folders() -> Iterator[Path]:
    prefix = os.environ.get("TESSDATA_PREFIX")
    if prefix:
        yield from (Path(prefix), Path(prefix) / "tessdata")
    yield Path(sysconfig.get_path("data")) / "share" / "tessdata"
    yield from map(Path, _SYSTEM)


def _own_language() -> str:
    """Tesseract's name for the language of the person's locale, as far as it is one of the common ones."""
    name = next((os.environ[each] for each in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(each)), "")
    known = {
        "de": "deu", "fr": "fra", "es": "spa", "it": "ita", "pt": "por", "nl": "nld", "pl": "pol",
        "ru": "rus", "uk": "ukr", "cs": "ces", "sv": "swe", "da": "dan", "nb": "nor", "fi": "fin",
        "hu": "hun", "tr": "tur", "el": "ell", "ja": "jpn", "ko": "kor", "zh": "chi_sim", "ar": "ara",
        "he": "heb", "hi": "hin",
    }  # fmt: skip
    return known.get(locale.normalize(name)[:2], "eng")


class Reader:
    """Reads pictures with `WORKERS` engines, one for each thread; a context manager."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._engines: list[Any] = []
        self._own = threading.local()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="gemcli-ocr")

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for engine in self._engines:
            engine.End()

    def submit(self, picture: PIL.Image.Image, *, page: bool) -> Future[str]:
        """The text of a picture, once it is read; "" where nothing is written in it.

        `page`: it shows a page, so that there is print all over it.
        """
        return self._pool.submit(self._read, picture, page)

    def _read(self, picture: PIL.Image.Image, page: bool) -> str:
        if not hasattr(self._own, "engine"):
            with self._lock:
                self._own.engine = _engine(self._setup)
                self._engines.append(self._own.engine)
        return read(self._own.engine, picture, page=page)


def _engine(setup: Setup) -> Any:
    with _one_thread():
        import tesserocr

        # What it finds odd about a picture is nobody's concern.
        tesserocr.set_leptonica_log_level(tesserocr.LeptLogLevel.NONE)
        try:
            # Tesseract takes the folder with a final slash.
            engine = tesserocr.PyTessBaseAPI(path=f"{setup.folder}{os.sep}", lang=setup.languages)
        except RuntimeError as error:
            raise MissingError(f"OCR cannot start with {setup.folder}: {error}", INSTALL) from error
    engine.SetVariable("debug_file", os.devnull)
    return engine


@contextmanager
def _one_thread() -> Iterator[None]:
    """Tesseract's own threads wait for each other more than they read; others' are left as they are."""
    before = os.environ.get("OMP_THREAD_LIMIT")
    os.environ["OMP_THREAD_LIMIT"] = "1"  # read once, when its library is loaded
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_THREAD_LIMIT"]
        else:
            os.environ["OMP_THREAD_LIMIT"] = before


def read(engine: Any, picture: PIL.Image.Image, *, page: bool = False) -> str:
    """The text in a picture, line by line, an empty line between paragraphs; "" where there is none."""
    if min(picture.size) < _LEAST:
        return ""
    grey = flattened(_bounded(picture.convert("L")))
    engine.SetPageSegMode(_ONE_BLOCK if page and not has_columns(grey) else _AUTO)
    lines = _lines(engine, grey)
    factor = _enlargement(lines, grey)
    if factor > 1:
        import PIL.Image

        size = (round(grey.width * factor), round(grey.height * factor))
        lines = _better(lines, _lines(engine, grey.resize(size, PIL.Image.Resampling.LANCZOS)))
    return _text(lines)


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    sure: float  # percent
    letters: int
    heights: tuple[int, ...]  # pixels, of its words
    ends: bool  # its paragraph


def _lines(engine: Any, grey: PIL.Image.Image) -> list[_Line]:
    from tesserocr import RIL, iterate_level

    engine.SetImage(grey)
    engine.SetSourceResolution(300)
    if not engine.Recognize():
        return []
    found: list[_Line] = []
    words: list[tuple[str, float, int]] = []
    for word in iterate_level(engine.GetIterator(), RIL.WORD):
        if word.Empty(RIL.WORD):
            continue
        box = word.BoundingBox(RIL.WORD)
        height = box[3] - box[1] if box else 0
        words.append((word.GetUTF8Text(RIL.WORD).strip(), word.Confidence(RIL.WORD), height))
        if word.IsAtFinalElement(RIL.TEXTLINE, RIL.WORD):
            found.append(_line(words, bool(word.IsAtFinalElement(RIL.PARA, RIL.WORD))))
            words = []
    return found


def _line(words: Sequence[tuple[str, float, int]], ends: bool) -> _Line:
    size = sum(len(text) for text, _, _ in words)
    return _Line(
        " ".join(text for text, _, _ in words),
        sum(len(text) * sure for text, sure, _ in words) / max(1, size),
        sum(char.isalnum() for text, _, _ in words for char in text),
        tuple(height for _, _, height in words),
        ends,
    )


def _text(lines: Sequence[_Line]) -> str:
    """The lines that are no texture; a picture with hardly a letter has none."""
    is_print = sum(line.letters for line in lines if line.sure >= _SURE) >= _PRINT
    parts: list[str] = []
    for line in lines:
        if line.sure >= (_FAIR if is_print else _LIKELY) and (line.letters > 1 or line.sure >= _SURE):
            parts.append(line.text)
        if line.ends and parts and not parts[-1].endswith("\n"):
            parts[-1] += "\n"
    text = "\n".join(parts).strip()
    letters = sum(char.isalnum() for char in text)
    return text if letters > 1 else ""


def _enlargement(lines: Sequence[_Line], grey: PIL.Image.Image) -> float:
    """By how much the picture should be larger to be read well; 1 where it is large enough."""
    heights = sorted(height for line in lines if line.sure >= _FAIR for height in line.heights)
    if not heights:
        return 2.0 if max(grey.size) < _SMALL else 1.0
    height = heights[len(heights) // 2]
    factor = 3.0 if height < _LOWEST else 2.0 if height < _LOW else 1.0
    return min(factor, max(1.0, (_MOST / (grey.width * grey.height)) ** 0.5))


def _better(one: list[_Line], other: list[_Line]) -> list[_Line]:
    """The reading with more that is sure of itself."""

    def worth(lines: Iterable[_Line]) -> float:
        return sum(line.letters * (line.sure - _FAIR) for line in lines if line.sure >= _FAIR)

    return other if worth(other) >= worth(one) else one


def _bounded(grey: PIL.Image.Image) -> PIL.Image.Image:
    pixels = grey.width * grey.height
    if pixels <= _MOST:
        return grey
    factor = (_MOST / pixels) ** 0.5
    return grey.resize((max(1, int(grey.width * factor)), max(1, int(grey.height * factor))))
