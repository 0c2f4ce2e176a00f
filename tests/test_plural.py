import pytest

from gemcli.plural import counted, plural


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (12_345, "12,345 rows")]
)
def test_a_number_comes_with_its_noun(count, expected):
    assert counted(count, "row") == expected


def test_nouns_of_their_own_plural():
    assert [counted(count, "stretch", "stretches") for count in (1, 2)] == ["1 stretch", "2 stretches"]
    assert [plural(count, "is", "are") for count in (0, 1, 2)] == ["are", "is", "are"]
