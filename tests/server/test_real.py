"""The default model behind the server, asked by the ``openai`` client about a picture and a PDF."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving import Serving

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.slow
@pytest.mark.weights
def test_a_picture_and_a_pdf(weights: Callable[[str], Path], tmp_path: Path) -> None:
    """It is blind: what is printed on the receipt comes to it by OCR.  The PDF is more than its window."""
    # At the level of optimization that suits tiny models it would read for minutes.
    server = Serving(
        tmp_path / "home", weights("qwen2.5-coder-1.5b"), "--context", "2048", env={"XLA_FLAGS": ""}
    )
    try:
        client = server.openai(timeout=600)
        receipt = (DATA / "receipt.png").read_bytes()
        said = answered(client, "What is the total on the receipt?", image(receipt))
        assert "19.74" in said
        pdf = (DATA / "json-mapping.pdf").read_bytes()
        said = answered(client, "Which data format is this document about?", file("m.pdf", pdf))
        assert "JSON" in said
        schema = {
            "type": "object",
            "properties": {"shop": {"type": "string"}, "total": {"type": "number"}},
            "required": ["shop", "total"],
            "additionalProperties": False,
        }
        done = client.chat.completions.create(
            model="default",
            max_tokens=100,
            response_format={"type": "json_schema", "json_schema": {"name": "r", "schema": schema}},
            messages=asked("Where was it bought, and what is the total?", image(receipt)),
        )
        assert json.loads(done.choices[0].message.content)["total"] == 19.74
        assert "defect" not in server.stderr
    finally:
        server.stop()


def answered(client: Any, question: str, part: dict[str, Any]) -> str:
    """What the model streams about one file."""
    stream = client.chat.completions.create(
        model="default", max_tokens=100, stream=True, messages=asked(question, part)
    )
    return "".join(each.choices[0].delta.content or "" for each in stream)


def asked(question: str, part: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": question}, part]}]


def image(data: bytes) -> dict[str, Any]:
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def file(name: str, data: bytes) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    return {"type": "file", "file": {"filename": name, "file_data": encoded}}
