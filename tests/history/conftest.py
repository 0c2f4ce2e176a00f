"""Whoever is to be warned."""

from __future__ import annotations

import pytest


@pytest.fixture
def told():
    """What was warned of; call it to warn."""

    class Told(list):
        __call__ = list.append

    return Told()
