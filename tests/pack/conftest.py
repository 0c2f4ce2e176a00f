"""The scripted model's parts, for tests that need a tokenizer and a template."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def scripted():
    """The module `tests/scripted.py`."""
    if "scripted" not in sys.modules:
        place = Path(__file__).parents[1] / "scripted.py"
        spec = importlib.util.spec_from_file_location("scripted", place)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["scripted"] = module
        spec.loader.exec_module(module)
    return sys.modules["scripted"]
