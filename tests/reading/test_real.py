"""A real model reads a real text window by window, and need not read it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemcli.events import Progress
from gemcli.ingest.source import Source
from gemcli.ingest.text import read
from gemcli.keep import Keep
from gemcli.pack.assemble import assemble
from gemcli.parts import Text
from gemcli.reading.mapped import read_all
from gemcli.reading.run import Reader

LICENSE = Path(__file__).parents[2] / "LICENSE"


@pytest.mark.slow
@pytest.mark.weights
def test_the_notes_of_a_real_model_stand_in_the_text_and_are_kept(weights):
    from model.load import describe, load
    from model.sampling.sampler import Sampling

    card = describe(weights("smollm2-135m"))
    model = load(card)
    document = read(Source("LICENSE", LICENSE, "text/plain"), lambda done, total: None)
    asked = []

    def ask(prompt, room, progress):
        asked.append(len(prompt.ids))
        return model.stream(
            prompt.ids, sampling=Sampling(), max_tokens=room, stop=prompt.stops, progress=progress
        )

    def pack(documents, question, system):
        return assemble(documents, question, system=system, template=card.template, tokenizer=card.tokenizer)

    def again():
        events = []
        made = read_all(
            [document],
            "Summarize the licence.",
            reader=Reader(
                window=1_024,
                parameters=card.parameters,
                cost=lambda part: len(card.tokenizer.encode(part.text)) if isinstance(part, Text) else 0,
                pack=pack,
                ask=ask,
                key=("smollm2-135m",),
            ),
            budget=1_500,
            system="",
            keep=Keep("notes"),
            emit=events.append,
        )
        return made, events

    first, events = again()
    done = [event.done for event in events if isinstance(event, Progress)]
    assert done[-1] == first.windows == len(asked) >= 3
    assert max(asked) <= 1_024 - 64
    lines = LICENSE.read_text().count("\n")
    for part in first.documents[0].parts:
        begin, end = part.anchor.lines
        assert 1 <= begin <= end <= lines
    assert len(pack(first.documents, first.question, "").ids) <= 1_500
    count = len(asked)
    second, _ = again()
    assert len(asked) == count
    assert second.documents == first.documents
    assert second.kept == second.windows
