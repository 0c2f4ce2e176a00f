"""A sound in stretches is the same sound, decoded once when it is read in order."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sensing import audio, document, image, text

from gemcli.pack.stretches import in_stretches
from gemcli.parts import Anchor, Audio


@given(
    st.floats(0.1, 20.0).map(lambda seconds: round(seconds, 3)),
    st.integers(1, 7),
    st.integers(100, 90_000),
    st.randoms(),
)
@settings(max_examples=60, deadline=None)
def test_every_sample_is_in_one_stretch_in_whatever_order_they_are_read(seconds, size, block, chance):
    sound = audio(seconds, start=100.0, block=block)
    whole = np.concatenate(list(sound.samples()))
    (made,) = in_stretches([document("a", text("x"), sound, image())], size)
    stretches = [part for part in made.parts if isinstance(part, Audio)]
    assert len(made.parts) == len(stretches) + 2
    assert all(part.seconds <= size for part in stretches)
    assert sum(part.seconds for part in stretches) == round(seconds, 3) or len(stretches) > 1
    order = list(range(len(stretches)))
    chance.shuffle(order)
    heard = {at: np.concatenate([np.zeros(0, np.float32), *stretches[at].samples()]) for at in order}
    joined = np.concatenate([heard[at] for at in range(len(stretches))])
    np.testing.assert_array_equal(joined, whole)


def test_stretches_have_their_own_times_and_keys():
    (made,) = in_stretches([document("a", audio(65, start=600.0), audio(3))], 30)
    assert [part.anchor for part in made.parts] == [
        Anchor(seconds=(600.0, 630.0)),
        Anchor(seconds=(630.0, 660.0)),
        Anchor(seconds=(660.0, 665.0)),
        Anchor(seconds=(0.0, 3)),
    ]
    assert len({part.key for part in made.parts}) == 4


def test_in_order_the_sound_is_decoded_once():
    begun = 0
    sound = audio(10, block=50_000)

    def samples():
        nonlocal begun
        begun += 1
        yield from sound.samples()

    (made,) = in_stretches([document("a", Audio(10, samples, sound.anchor, "k"))], 1)
    lengths = [sum(map(len, part.samples())) for part in made.parts if isinstance(part, Audio)]
    assert lengths == [16_000] * 10
    assert begun == 1


def test_a_sound_that_ends_before_its_time_is_cut_there():
    (made,) = in_stretches([document("a", audio(3, given=1.5))], 1)
    lengths = [sum(map(len, part.samples())) for part in made.parts if isinstance(part, Audio)]
    assert lengths == [16_000, 8_000, 0]
