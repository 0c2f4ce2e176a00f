"""Garbage is collected seldom while a command starts, and as usual once the array library is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOOK = """
import gc, json, sys
usual = gc.get_threshold()
from gemcli.garbage import kept_from_arrays, seldom
seldom()
told = {"usual": usual, "start": gc.get_threshold()}
with kept_from_arrays():
    told["imports"] = gc.isenabled()
    import jax
told |= {"enabled": gc.isenabled(), "then": gc.get_threshold(), "frozen": gc.get_freeze_count() > 0}
class Ring: pass
ring = Ring(); ring.itself = ring; del ring
told["found"] = gc.collect() > 0
gc.unfreeze()
with kept_from_arrays():
    told["again"] = gc.isenabled()
told["frozen again"] = gc.get_freeze_count() > 0
print(json.dumps(told))
"""


def test_as_usual_once_the_array_library_is_there() -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, cwd=root, check=True)
    told = json.loads(done.stdout)
    assert told["start"][0] > told["usual"][0]
    assert told["then"] == told["usual"]
    assert (told["imports"], told["enabled"], told["frozen"], told["found"]) == (False, True, True, True)
    assert (told["again"], told["frozen again"]) == (True, False), "only the first time"
