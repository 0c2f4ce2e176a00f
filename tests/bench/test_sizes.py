"""Numbers of the command line."""

from __future__ import annotations

import pytest
import typer

from gemcli.bench import sizes


def test_sizes() -> None:
    assert sizes.read_sizes("31K, 4k,8192,4096") == [4096, 8192, 31744]
    assert sizes.read_size("1M") == 1 << 20
    assert [sizes.size_name(each) for each in (4096, 31744, 1 << 20, 1000)] == ["4K", "31K", "1M", "1,000"]
    assert sizes.read_shares("0.9,0,1,.5,0.5") == [0, 0.5, 0.9, 1]


@pytest.mark.parametrize("text", ["", "4K,", "0", "-1", "4G", "1.5K", "four"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="no number of tokens"):
        sizes.sizes(text)


@pytest.mark.parametrize("text", ["", "1.1", "-0.1", "half", "nan", "0.1,,0.2"])
def test_no_shares(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="no number from 0 to 1"):
        sizes.shares(text)


@pytest.mark.parametrize(
    ("window", "lengths"),
    [
        (32_768, [4096, 8192, 16_384, 31_744]),
        (8192, [4096, 7168]),
        (131_072, [4096, 8192, 16_384, 32_768, 65_536, 130_048]),
        (512, [480]),
        (4200, [4096]),
    ],
)
def test_lengths_for_a_window(window: int, lengths: list[int]) -> None:
    assert sizes.usual_sizes(window, 32) == lengths
    assert max(lengths) + 32 <= window
