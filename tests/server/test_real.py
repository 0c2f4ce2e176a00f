"""The default model behind the server, asked by the ``openai`` client about a picture and a PDF."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving import Serving

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.slow
@pytest.mark.weights
def test_a_picture_and_a_pdf(weights: Callable[[str], Path], tmp_path: Path) -> None:
    """It is blind: what is printed on the receipt comes to it by OCR."""
    server = Serving(tmp_path / "home", weights("qwen2.5-coder-1.5b"))
    try:
        client = server.openai(timeout=600)
        receipt = (DATA / "receipt.png").read_bytes()
        said = answered(client, "What is the total on the receipt?", image(receipt))
        assert "19.74" in said
        pdf = (DATA / "json-mapping.pdf").read_bytes()
        said = answered(client, "Which data format is this document about?", file("m.pdf", pdf))
        assert "JSON" in said
        assert "defect" not in server.stderr
    finally:
        server.stop()


def answered(client: Any, question: str, part: dict[str, Any]) -> str:
    """What the model streams about one file."""
    stream = client.chat.completions.create(
        model="default",
        max_tokens=100,
        stream=True,
        messages=[{"role": "user", "content": [{"type": "text", "text": question}, part]}],
    )
    return "".join(each.choices[0].delta.content or "" for each in stream)


def image(data: bytes) -> dict[str, Any]:
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def file(name: str, data: bytes) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    return {"type": "file", "file": {"filename": name, "file_data": encoded}}
