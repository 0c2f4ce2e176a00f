"""A model that answers the prompts of a walk, and again from what was kept of them on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gemcli.bench.needle import Answer, Reader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.cache.shelf import Shelf
    from model.load import Model
    from model.prompt import Soft

_PATIENCE_S = 600.0  # to write what is kept of a prompt


@contextmanager
def own_shelf(wanted: bool, name: str) -> Iterator[Shelf | None]:
    """A place for prefixes that is empty, and gone in the end: nothing of other runs may help.

    Args:
        wanted: False gives None.
        name: of the model.
    """
    if not wanted:
        yield None
        return
    from gemcli.settings import cache_dir, make_private
    from model.cache.shelf import Shelf

    with tempfile.TemporaryDirectory(dir=make_private(cache_dir()), prefix="needle-") as folder:
        yield Shelf(Path(folder), None, name)


def reader(model: Model, longest: int, room: int) -> Reader:
    """What answers with a model, greedily.

    Where the model keeps prefixes, every prompt is read a second time to be kept, and then from there.

    Args:
        model: the model.
        longest: tokens of the longest prompt with its answer.
        room: tokens of an answer at most.
    """
    from model.engine.branches import Branches
    from model.sampling.sampler import Sampling

    engine, tokenizer = model.engine, model.card.tokenizer
    branches = Branches(engine, longest)

    def again(ids: NDArray[np.int32], soft: Sequence[Soft], marks: Sequence[int]) -> tuple[str, int]:
        """The answer through the kept prefixes, and how much of the prompt was restored."""
        restored: list[int] = []
        said = list(
            engine.generate(
                ids.tolist(),
                sampling=Sampling(),
                limit=room,
                stop=tokenizer.eog_ids,
                suppress=tokenizer.suppress_ids,
                soft=soft,
                marks=marks,
                restored=restored.append,
            )
        )
        flush = getattr(engine.prefixes, "flush", None)
        if flush is not None:
            flush(_PATIENCE_S)
        if said and said[-1] in tokenizer.eog_ids:
            said.pop()
        return tokenizer.decode(said), restored[-1]

    def read(
        ids: NDArray[np.int32],
        soft: Sequence[Soft],
        shared: int,
        marks: Sequence[int],
        tail: int,
        progress: Callable[[int, int], None],
    ) -> Answer:
        answer = tokenizer.decode(
            branches.follow(
                ids,
                shared=shared,
                marks=marks,
                limit=room,
                stop=tokenizer.eog_ids,
                suppress=tokenizer.suppress_ids,
                soft=soft,
                progress=progress,
            )
        )
        if engine.prefixes is None:
            return Answer(answer)
        places = sorted({*marks, tail} | ({shared} if shared else set()))
        again(ids, soft, places)
        return Answer(answer, *again(ids, soft, places))

    return read
