import base64
import contextlib
import io
import json

import PIL.Image
import pytest
from damaged import outcomes

from gemcli.errors import InputError, UsageError
from gemcli.ingest.notebook import read
from gemcli.ingest.ranges import parse
from gemcli.ingest.source import EmptyError, Source
from gemcli.parts import Image


def png():
    stream = io.BytesIO()
    PIL.Image.new("RGB", (30, 30)).save(stream, "PNG")
    return base64.encodebytes(stream.getvalue()).decode()


def output(kind, **entries):
    return {"output_type": kind, **entries}


NOTEBOOK = {
    "nbformat": 4,
    "metadata": {"language_info": {"name": "R"}},
    "cells": [
        {"cell_type": "markdown", "source": ["# Study\n", "text\n", "## Data"]},
        {
            "cell_type": "code",
            "source": "plot(1)",
            "outputs": [
                output("stream", name="stdout", text=["10%\r", "100%\n", "\x1b[1mdone\x1b[0m\n"]),
                output("display_data", data={"image/png": png(), "text/plain": "<Figure>"}),
                output("execute_result", data={"text/plain": ["1\n", "2"], "text/html": "<b>1</b>"}),
                output("display_data", data={"text/html": "<table><tr><td>a<td>b</table>"}),
                output("error", ename="E", evalue="bad", traceback=["\x1b[31mTrace\x1b[0m", "E: bad"]),
            ],
        },
        {"cell_type": "raw", "source": "raw ``` text"},
        {
            "cell_type": "markdown",
            "source": "![x](attachment:x.png)",
            "attachments": {"x.png": {"image/png": png()}},
        },
    ],
}


def book(value, **options):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read(
        Source("a.ipynb", None, "application/x-ipynb+json", data, **options), lambda done, total: None
    )


def test_cells_in_their_order():
    document = book(NOTEBOOK)
    seen = [
        (part.anchor.cell, "picture" if isinstance(part, Image) else part.text) for part in document.parts
    ]
    assert seen == [
        ("cell 1", "# Study\ntext\n## Data\n"),
        ("cell 2", "```r\nplot(1)\n```\n"),
        ("cell 2", "Output:\n```\n100%\ndone\n```\n"),
        ("cell 2", "picture"),
        ("cell 2", "Output:\n```\n1\n2\n```\n"),
        ("cell 2", "Output:\n| a | b |\n| --- | --- |\n"),
        ("cell 2", "Error:\n```\nTrace\nE: bad\n```\n"),
        ("cell 3", "raw ``` text\n"),
        ("cell 4", "![x](attachment:x.png)\n"),
        ("cell 4", "picture"),
    ]
    assert document.meta == {"cells": 4, "language": "r"}
    assert document.warnings == ()


def test_headings_go_on_from_cell_to_cell():
    parts = book(NOTEBOOK).parts
    assert parts[0].heading == "Study"  # type: ignore[union-attr]
    assert parts[1].heading == "Study › Data"  # type: ignore[union-attr]


def test_version_3():
    old = {
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 2, "source": "H"},
                    {"cell_type": "code", "input": "1", "outputs": [{"output_type": "pyout", "text": ["1"]}]},
                ]
            }
        ]
    }
    assert [part.text for part in book(old).parts] == [  # type: ignore[union-attr]
        "## H\n",
        "```python\n1\n```\n",
        "Output:\n```\n1\n```\n",
    ]


def test_what_is_no_notebook():
    with pytest.raises(EmptyError):
        book(b"")
    with pytest.raises(EmptyError, match="hold nothing"):
        book({"cells": [{"cell_type": "code", "source": ""}]})
    with pytest.raises(InputError, match="line 2"):
        book(b'{"cells":\n')
    with pytest.raises(InputError, match="without cells"):
        book({"a": 1})
    with pytest.raises(InputError, match="without cells"):
        book([1])
    with pytest.raises(InputError, match="nested too deeply"):
        book(b"[" * 200_000)


def test_damaged_cells_are_said():
    document = book(
        {"cells": [3, {"cell_type": "code", "source": 5}, {"cell_type": "markdown", "source": "a"}]}
    )
    assert document.warnings == ("damaged cells, not read: 1",)
    pictured = {
        "cell_type": "code",
        "source": "x",
        "outputs": [output("display_data", data={"image/png": "AA"})],
    }
    assert book({"cells": [pictured]}).warnings == (
        "pictures that cannot be decoded, not read: cell 1, a picture that the code drew",
    )


def test_no_ranges():
    with pytest.raises(UsageError, match="has cells"):
        book(NOTEBOOK, selection=parse("1", "line"))
    assert book(NOTEBOOK, selection=parse("1", "page", exact=False)).parts


def test_damage():
    counts = outcomes(
        read, json.dumps(NOTEBOOK, indent=1).encode(), "application/x-ipynb+json", words=(b"null", b"{}")
    )
    assert counts["read"] > 5
    assert counts["refused"] > 20


def test_odd_shapes_are_read_past():
    import random

    odd = [None, 1, "x", [], {}, [None], {"data": None}, {"output_type": "stream"}, True]
    for seed in range(200):
        generator = random.Random(seed)
        value = json.loads(json.dumps(NOTEBOOK))
        for _ in range(3):
            place = value["cells"]
            while True:
                keys = list(place) if isinstance(place, dict) else list(range(len(place)))
                key = generator.choice(keys)
                if not isinstance(place[key], dict | list) or not place[key] or generator.random() < 0.3:
                    place[key] = json.loads(json.dumps(generator.choice(odd)))
                    break
                place = place[key]
        with contextlib.suppress(InputError):
            assert book(value).parts
