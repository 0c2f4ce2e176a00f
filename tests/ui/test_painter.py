"""Frames are painted soon, seldom, and never after the end."""

import threading
import time

from gemcli.ui.painter import FRAMES_PER_SECOND, Painter


def test_a_burst_is_one_or_two_frames_and_the_last_state_is_painted():
    state, painted = [0], []
    painter = Painter(lambda: painted.append(state[0]), lambda: None)
    for state[0] in range(1, 1001):
        painter.wake()
    deadline = time.monotonic() + 10
    while painted[-1:] != [1000] and time.monotonic() < deadline:
        time.sleep(0.005)
    painter.stop()
    assert painted[-1] == 1000
    assert len(painted) < 20


def test_slow_frames_leave_most_of_the_time_to_others():
    frames = []

    def paint() -> None:
        frames.append(time.monotonic())
        time.sleep(0.05)

    painter = Painter(paint, lambda: None)
    began = time.monotonic()
    while time.monotonic() - began < 1.2:
        painter.wake()
        time.sleep(0.005)
    painter.stop()
    assert len(frames) <= 5


def test_rate():
    frames = []
    painter = Painter(lambda: frames.append(1), lambda: None)
    began = time.monotonic()
    while time.monotonic() - began < 1:
        painter.wake()
        time.sleep(0.002)
    painter.stop()
    assert FRAMES_PER_SECOND / 3 <= len(frames) <= FRAMES_PER_SECOND + 3


def test_nothing_is_painted_after_the_end_and_no_thread_stays():
    frames = []
    painter = Painter(lambda: frames.append(1), lambda: None)
    painter.wake()
    painter.stop()
    count = len(frames)
    time.sleep(0.3)
    assert len(frames) == count
    assert "gemcli-painter" not in {thread.name for thread in threading.enumerate()}


def test_stopping_what_never_began():
    Painter(lambda: None, lambda: None).stop()


def test_preparation_comes_once_after_the_first_frame():
    order = []
    painter = Painter(lambda: order.append("paint"), lambda: order.append("prepare"))
    painter.wake()
    deadline = time.monotonic() + 10
    while order.count("paint") < 3 and time.monotonic() < deadline:
        painter.wake()
        time.sleep(0.01)
    painter.stop()
    assert order[:3] == ["paint", "prepare", "paint"]
    assert order.count("prepare") == 1
