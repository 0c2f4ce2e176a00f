"""OCR reads print of every size and light, in its order, and sees no letters where there are none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL import ImageDraw, ImageFont, ImageOps

from gemcli.bridge import ocr, paper
from tests.bridge.conftest import drawn, wrong

TEXT = [
    "The quick brown fox jumps over the lazy dog.",
    "Invoice 4711: 1,250.00 EUR, due on 12 March 2026",
    "Pack my box with five dozen liquor jugs!",
]

PAGE = """Region-based segmentation
Let us first determine markers of the coins and the
background. These markers are pixels that we can label
unambiguously as either object or background. Here,
the markers are found at the two extreme parts of the
histogram of grey values:
>>> markers = np.zeros_like(coins)"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GEMCLI_OCR_LANGUAGES", "LC_ALL", "LC_MESSAGES", "LANG"):
            patch.delenv(name, raising=False)
        engine = ocr._engine(ocr.find())
    yield engine
    engine.End()


@pytest.mark.parametrize("px", [12, 20, 40])
def test_print_of_every_size(engine: Any, px: int) -> None:
    picture = drawn(TEXT, (max(360, px * 30), px * 8), px)
    assert wrong("\n".join(TEXT), ocr.read(engine, picture)) <= 0.03


def test_light_on_dark(engine: Any) -> None:
    assert wrong("\n".join(TEXT), ocr.read(engine, ImageOps.invert(drawn(TEXT)))) <= 0.03


def test_a_photographed_page(engine: Any, material: Callable[[str], Path]) -> None:
    with PIL.Image.open(material("page.png")) as picture:
        assert wrong(PAGE, ocr.read(engine, picture)) <= 0.03


@pytest.mark.parametrize("name", ["coffee.png", "astronaut.png", "rocket.jpg"])
def test_a_photograph_has_no_text(engine: Any, material: Callable[[str], Path], name: str) -> None:
    with PIL.Image.open(material(name)) as picture:
        assert ocr.read(engine, picture) == ""


def test_noise_and_empty_paper_have_no_text(engine: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400), dtype=np.uint8)
    for page in (False, True):
        assert ocr.read(engine, PIL.Image.fromarray(noise), page=page) == ""
        assert ocr.read(engine, PIL.Image.new("L", (400, 300), 255), page=page) == ""
        assert ocr.read(engine, PIL.Image.new("L", (400, 300), 0), page=page) == ""
    assert ocr.read(engine, PIL.Image.new("RGB", (5, 900))) == ""


def test_columns_are_read_one_after_the_other(engine: Any) -> None:
    words = (
        " ".join(TEXT) + " Sphinx of black quartz, judge my vow. How vexingly quick daft zebras jump."
    ).split()
    picture = PIL.Image.new("L", (1240, 1000), 255)
    pen, font, at, lines = ImageDraw.Draw(picture), ImageFont.load_default(24), 0, []
    for left in (90, 660):
        for row in range(24):
            line = ""
            while font.getlength(f"{line} {words[at % len(words)]}") < 490:
                line = f"{line} {words[at % len(words)]}".strip()
                at += 1
            pen.text((left, 90 + row * 34), line, fill=0, font=font)
            lines.append(line)
    pen.text((90, 30), "A heading that runs across both of the columns", fill=0, font=font)
    assert paper.has_columns(picture)
    found = ocr.read(engine, picture, page=True)
    assert wrong("\n".join(["A heading that runs across both of the columns", *lines]), found) <= 0.03


def test_one_column_is_one_column() -> None:
    assert not paper.has_columns(drawn(TEXT * 6, (900, 800)).convert("L"))
    assert not paper.has_columns(PIL.Image.new("L", (300, 300), 255))


def test_an_absurdly_large_picture_is_looked_at_smaller(engine: Any) -> None:
    large = drawn(TEXT, (900, 300)).resize((9_000, 3_000))
    assert wrong("\n".join(TEXT), ocr.read(engine, large)) <= 0.03


def test_a_real_page(engine: Any, material: Callable[[str], Path]) -> None:
    import pypdfium2

    with pypdfium2.PdfDocument(material("fullrefman.pdf")) as pdf:
        page = pdf[40]
        text = page.get_textpage().get_text_range().replace("\x02", "").replace("\ufffe", "")
        picture = page.render(scale=150 / 72).to_pil()
    assert wrong(text, ocr.read(engine, picture, page=True)) <= 0.03


def test_the_data_is_looked_for_where_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("deu", "eng", "osd"):
        (tmp_path / f"{name}.traineddata").touch()
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    assert ocr.find() == ocr.Setup(tmp_path, "deu+eng")
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert ocr.find() == ocr.Setup(tmp_path, "eng")
    monkeypatch.setenv("GEMCLI_OCR_LANGUAGES", "deu")
    assert ocr.find() == ocr.Setup(tmp_path, "deu")
    monkeypatch.setenv("GEMCLI_OCR_LANGUAGES", "tlh")
    with pytest.raises(ocr.MissingError, match="without the data of tlh") as caught:
        ocr.find()
    assert "TESSDATA_PREFIX" in (caught.value.hint or "")


def test_looking_for_it_loads_nothing() -> None:
    code = "import sys; from gemcli.bridge import ocr; ocr.find(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert not {"tesserocr", "PIL", "numpy"} & set(done.stdout.split())


def test_the_limit_on_threads_is_tesseracts_alone(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_THREAD_LIMIT", "7")
    ocr._engine(ocr.find()).End()
    assert os.environ["OMP_THREAD_LIMIT"] == "7"
