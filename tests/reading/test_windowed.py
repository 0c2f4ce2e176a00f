"""Pictures and sound are read window by window too, each of them seen or heard once, where it stands."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import scripted
import sensing
from sensing import Senses, audio, document, image, text

from gemcli.hub.resolve import Resolved
from gemcli.pack.budget import budget
from gemcli.pack.overflow import Packer, pack
from gemcli.parts import Image
from gemcli.prepared import Prepared
from gemcli.reading.windowed import read_in_windows
from gemcli.request import Request


class Model:
    """Notes that something was there, and keeps what it was shown."""

    def __init__(self, card):
        self.senses = Senses(card)
        self.asked = []

    def stream(self, ids, *, sampling, max_tokens, stop, progress, soft):
        self.asked.append((list(ids), soft))
        script = scripted.Script(pieces=["- a thing\n"])
        return scripted.Generation(script, ids, max_tokens, progress, None)


@pytest.fixture
def read(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "model.sampling.sampler", scripted.sampling_module())
    path = tmp_path / "m.gguf"
    path.write_bytes(b"x")

    def run(*documents, window=4096, path: Path = path):
        card = sensing.everything()
        card.window = window
        packer, limits = Packer(card, None), budget(window)
        packed = pack(
            documents,
            "What is there?",
            packer,
            limits,
            policy="map",
            pace=None,
            keep=False,
            counting=lambda done, total: None,
        )
        assert packed.how == "map"
        prepared = Prepared(Resolved("m", path), card, packer, documents, packed, limits, 0.0, 0.0)
        model = Model(card)
        request = Request("What is there?", overflow="map", keep=False)
        return read_in_windows(prepared, request, model, lambda event: None), model

    return run


def test_every_picture_and_every_second_is_read_once(read):
    frames = [image(480, 336, at=float(n), value=n) for n in range(60)]
    prepared, model = read(
        document("v.mp4", *frames),
        document("a.mp3", audio(200.0)),
        document("b.txt", text("words " * 800)),
    )
    seen = [rows.rows[0, 0] for _, soft in model.asked for rows in soft if rows.is_block]
    assert seen == list(range(60))
    heard = [rows.rows for _, soft in model.asked for rows in soft if not rows.is_block]
    assert sum(map(len, heard)) == 200 * 25
    # The sound's first samples count on through its windows: every window begins where the last one ended.
    assert [rows[0, 0] for rows in heard] == [30 * 16_000 * n for n in range(7)]
    for ids, soft in model.asked:
        assert len(ids) <= 4096
        for rows in soft:
            assert len(set(ids[rows.first : rows.end])) == 1
            assert ids[rows.first] in (401, 403, 405)
    prompt = prepared.packed.prompt
    assert prompt is not None
    assert prompt.media == ()
    assert not any(isinstance(part, Image) for each in prepared.packed.documents for part in each.parts)
    assert np.isfinite(prepared.packed.tokens_read)


def test_a_folder_of_weights_is_a_model_too(read, tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"x")
    prepared, model = read(document("a.txt", text("words " * 2000)), path=folder)
    assert prepared.packed.prompt is not None
    assert model.asked
