"""Questions about real documents, asked with --cite; and whether quotes stand where they are said to.

``python tests/cited.py MODEL OUT.jsonl [SECONDS]`` asks them one after the other and appends what came of
each; what is in OUT is not asked again, and after so many seconds no more are.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
PAIRS = [json.loads(line) for line in (_HERE / "data" / "cited.jsonl").read_text().splitlines()]


def place(name: str, material: Callable[[str], Path]) -> Path:
    """The file of a pair."""
    if name == "LICENSE":
        return _HERE.parent / name
    own = _HERE / "data" / name
    return own if own.exists() else material(name)


def ask(pair: dict[str, str], path: Path, model: str, loaded: Any) -> dict[str, Any]:
    """The answer object for a pair."""
    from gemcli.assistant import answer
    from gemcli.events import Result
    from gemcli.request import Request

    request = Request(
        pair["question"], (str(path),), stdin="never", model=model, cite="yes", max_tokens=80, offline=True
    )
    return next(event.data for event in answer(request, loaded) if isinstance(event, Result))


def stands(citation: dict[str, Any], path: Path) -> bool:
    """Whether a quote is in the file at its anchor: letters and digits alone, read in another way."""
    anchor = citation["anchor"]
    if path.suffix == ".pdf":
        import pypdfium2

        with pypdfium2.PdfDocument(path) as file:
            page = file[anchor["page"] - 1]
            text = page.get_textpage().get_text_range()
    else:
        first, last = anchor["line"]
        text = "\n".join(path.read_text().splitlines()[first - 1 : last])
    return _letters(citation["quote"]) in _letters(text)


def _letters(text: str) -> str:
    ligatures = {"ﬁ": "fi", "ﬂ": "fl", "ﬀ": "ff", "ﬃ": "ffi", "ﬄ": "ffl"}
    for sign, letters in ligatures.items():
        text = text.replace(sign, letters)
    return re.sub(r"[\W_]+", "", text)


def _main(model: str, out: Path, seconds: float) -> None:
    from material import material

    from gemcli.loading import Loaded

    done = (
        {row["question"] for row in map(json.loads, out.read_text().splitlines())} if out.exists() else set()
    )
    loaded, began = Loaded(), time.monotonic()
    for pair in PAIRS:
        if pair["question"] in done or time.monotonic() - began > seconds:
            continue
        path = place(pair["file"], material)
        result = ask(pair, path, model, loaded)
        for each in result["citations"]:
            each["stands"] = bool(each["verified"]) and stands(each, path)
        row = pair | {"answer": result["answer"], "citations": result["citations"], "error": result["error"]}
        row["seconds"] = result["timings"]["total_s"]
        with out.open("a") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(_HERE.parent))
    _main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 1e9)
