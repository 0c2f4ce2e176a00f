import pytest

from gemcli.ingest.source import Source
from gemcli.ingest.wants import Wants


@pytest.mark.parametrize(
    ("clip", "wants", "expected"),
    [
        ((None, None), Wants(), (None, None)),
        ((None, None), Wants(start=1.0), (1.0, None)),
        ((None, None), Wants(start=1.0, end=2.0), (1.0, 2.0)),
        ((5.0, 9.0), Wants(start=1.0, end=2.0), (5.0, 9.0)),
        ((5.0, None), Wants(start=1.0, end=9.0), (5.0, None)),
        ((0.0, None), Wants(start=1.0), (0.0, None)),
    ],
)
def test_times_of_a_source_itself_are_stronger_than_those_of_all(clip, wants, expected):
    assert Source("a.mp4", None, clip=clip, wants=wants).stretch == expected
