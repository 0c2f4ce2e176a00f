"""The time left is what windows took, or what the model is known to take."""

import pytest

from gemcli.pack.assemble import Prompt
from gemcli.pack.cost import Costs
from gemcli.pack.speed import Speed
from gemcli.reading.clock import Clock, about

PROMPTS = [Prompt([0] * 1000, Costs(1000, {}, {}))] * 3


def test_nothing_is_guessed():
    assert Clock(None).seconds(PROMPTS, 200) is None


def test_the_speed_before_and_then_the_speed_now():
    clock = Clock(Speed(5.0, 100.0, 10.0, 50.0))
    assert clock.seconds(PROMPTS, 200) == pytest.approx(3000 / 100 + 3 * 100 / 10)
    clock.took(1000, 7.0)
    clock.took(3000, 13.0)
    assert clock.seconds(PROMPTS, 200) == pytest.approx(15.0)
    assert clock.seconds([], 200) == 0


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "1 s"), (40.4, "40 s"), (61, "1 min"), (720, "12 min"), (3900, "1 h 05 min")]
)
def test_as_one_says_it(seconds, said):
    assert about(seconds) == said
