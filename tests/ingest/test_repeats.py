import numpy as np
from PIL import Image, ImageDraw

from gemcli.ingest.repeats import Repeats


def scene(x=0, noise=0.0, seed=0):
    """A disc before a gradient, with noise of so many grey levels."""
    ramp = np.linspace(40, 200, 320)[None, :, None] * np.ones((180, 1, 3))
    image = Image.fromarray(ramp.astype(np.uint8))
    ImageDraw.Draw(image).ellipse((x, 60, x + 50, 110), fill=(250, 30, 30))
    pixels = np.asarray(image, np.float64) + np.random.default_rng(seed).normal(0, noise, (180, 320, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def test_the_first_is_new_and_its_repetition_is_not():
    repeats = Repeats()
    assert repeats.is_new(scene())
    assert not repeats.is_new(scene())
    assert repeats.dropped == 1
    assert repeats.is_new(scene(x=150))
    assert repeats.dropped == 1


def test_noise_is_no_news():
    repeats = Repeats()
    assert [repeats.is_new(scene(noise=8, seed=seed)) for seed in range(6)] == [True] + [False] * 5
    assert repeats.dropped == 5


def test_a_line_that_appears_on_a_slide_is_news():
    slide = Image.new("RGB", (1280, 720), "white")
    draw = ImageDraw.Draw(slide)
    draw.text((80, 60), "Results", "black", font_size=60)
    repeats = Repeats()
    assert repeats.is_new(slide)
    draw.text((80, 300), "Sales rose by seven per cent", "black", font_size=48)
    assert repeats.is_new(slide)


def test_a_slow_change_is_seen_in_the_end():
    repeats = Repeats()
    kept = [level for level in range(100, 130) if repeats.is_new(Image.new("L", (64, 64), level))]
    assert kept == list(range(100, 130, 3))
    assert repeats.dropped == 20


def test_going_back_is_news():
    repeats = Repeats()
    black, white = Image.new("L", (20, 20), 0), Image.new("L", (20, 20), 255)
    assert [repeats.is_new(each) for each in (black, white, black)] == [True, True, True]


def test_any_mode_and_size_is_taken():
    repeats = Repeats()
    assert repeats.is_new(scene())
    assert not repeats.is_new(scene().convert("RGBA"))
    assert not repeats.is_new(scene().resize((900, 500)))
    assert not repeats.is_new(scene().convert("P", palette=Image.Palette.ADAPTIVE))
    assert repeats.is_new(Image.new("1", (1, 1)))
