"""A model file → a `Model` that answers: the one door through which the front enters."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from model.card import ModelCard, describe
from model.compiled import remove_damaged
from model.errors import ContextOverflowError, DeviceError, UnsupportedModelError
from model.generation import Generation, Keeping

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from model.cache.shelf import Shelf
    from model.engine.draft import DraftModel
    from model.engine.engine import Engine
    from model.engine.session import Session
    from model.engine.speculative import Drafter
    from model.prompt import Expected, Soft
    from model.reach import Mode
    from model.sampling.constraint import Constraint
    from model.sampling.sampler import Sampling
    from model.senses import Senses
    from model.weights.load import Bits, Precision
    from model.weights.params import Params

__all__ = ["Generation", "Model", "ModelCard", "describe", "load", "prepare"]

Progress = Callable[[int, int], None]

_prepared: tuple[Path | None, str, bool] | None = None  # how `prepare` was called last


class Model:
    """A model with its weights in place.

    Attributes:
        card: what it is.
        engine: ids in, ids out.
        senses: pixels and waveforms in, soft tokens out.
        draft: a smaller model that says beforehand what this one checks; None: there is none.
    """

    draft: DraftModel | None = None

    def __init__(self, card: ModelCard, engine: Engine, senses: Senses) -> None:
        self.card = card
        self.engine = engine
        self.senses = senses

    @property
    def window(self) -> int:
        """Tokens that a prompt and its answer may take together."""
        return self.engine.window

    def stream(
        self,
        ids: Sequence[int],
        *,
        sampling: Sampling,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        progress: Progress | None = None,
        on_thought: Callable[[str], None] | None = None,
        soft: Sequence[Soft] = (),
        reluctant: Mapping[int, float] | None = None,
        constraint: Constraint | None = None,
        marks: Sequence[int] = (),
        about: Sequence[str] = (),
        session: Session | None = None,
        keep: bool = True,
        top: int | None = None,
        speculate: bool = True,
    ) -> Generation:
        """Begin to answer a prompt; nothing is computed before the first piece is asked for.

        Args:
            ids: the prompt.
            soft: what stands in the place of some of the ids, in order.
            reluctant: tokens that may begin the answer only where they are at least so likely.
            sampling: how to choose tokens.
            max_tokens: most tokens of the answer; None: as many as the window leaves room for.
            stop: texts that end the answer; they are not part of it.
            progress: called with prompt tokens taken and in all.
            on_thought: called with each piece of what the model thinks, which is never part of the answer.
            constraint: what the answer may be; a new one, which is used up.  Thoughts are free.
            marks: places in the prompt behind which other prompts are likely to differ.
            about: the names of what the prompt is about.
            session: of a conversation; the same one for each of its prompts.
            keep: use what was kept of earlier prompts, and keep this one.
            top: tell how likely each token of the answer was, and so many of the likeliest in its place
                (`model.sampling.likely.MOST` at most), in `Generation.weighed`; None tells nothing.
            speculate: check several tokens at a time where what comes next can be guessed; the answer is the
                same without.

        Raises:
            ContextOverflowError: the prompt (with `max_tokens`) is longer than the window.
        """
        room = self.window - len(ids)
        limit = room if max_tokens is None else max_tokens
        if limit > room or limit < 1:
            raise ContextOverflowError(len(ids) + max(limit, 1), self.window)
        keeping = Keeping(tuple(marks), tuple(about), session, keep)
        drafter = self._drafter(ids, soft) if speculate else None
        return Generation(
            self,
            ids,
            sampling,
            limit,
            stop,
            progress,
            on_thought,
            soft,
            reluctant,
            constraint,
            keeping,
            top,
            drafter,
        )

    def _drafter(self, ids: Sequence[int], soft: Sequence[Soft]) -> Drafter:
        from model.engine.lookup import Lookup

        if self.draft is None or soft:  # it would have to see them
            return Lookup(ids)
        from model.engine.draft import Drafting

        return Drafting(ids, self.draft)


def prepare(compiled: Path | None, device: str = "auto", *, keep: bool = True) -> None:
    """Import the array library and point it at its persistent compile cache, before `load`.

    Nothing is done where it was done the same way last time.

    Args:
        compiled: folder for compiled programs.  They are executable code: it must belong to the user alone.
        device: ``auto``, ``cpu``, ``gpu`` or ``tpu``.
        keep: False uses what is there, and writes nothing.

    Raises:
        DeviceError: this machine has no such device, or the array library cannot use it.
    """
    global _prepared
    wanted = (compiled, device, keep)
    if wanted == _prepared and (compiled is None or compiled.is_dir()):
        return
    _prepared = None  # until all of it is done
    # Else the array library takes three quarters of a GPU's memory, whatever is needed of it.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # Imported here for their time alone: what `load` and the first answer need is then in place.
    import jax

    import model.attention.compiled
    import model.engine.engine
    import model.native
    import model.nn.packed
    import model.program
    import model.weights.load

    if device != "auto":
        jax.config.update("jax_platforms", {"gpu": "cuda"}.get(device, device))
    if compiled is not None and keep:
        compiled.mkdir(parents=True, exist_ok=True, mode=0o700)
        remove_damaged(compiled)
    if compiled is not None and compiled.is_dir():
        # A cache that cannot be read or written costs time and nothing else.
        warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
        jax.config.update("jax_compilation_cache_dir", str(compiled))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0 if keep else float("inf"))
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    model.program.keep_in(compiled if compiled is not None and compiled.is_dir() else None, write=keep)
    if device != "auto":
        try:
            jax.devices()
        except Exception as error:
            why = " ".join(str(error).split()) or "the array library knows of none"
            raise DeviceError(f"there is no {device} to compute on: {why[:200]}") from error
    for kernel in (model.nn.packed.KERNEL, model.attention.compiled.KERNEL):
        model.native.enable(kernel, compiled, keep=keep)
    _prepared = wanted


def load(
    card: ModelCard,
    *,
    context: int | None = None,
    attention: Mode = "auto",
    precision: Precision | None = None,
    bits: Bits = 8,
    kv_bits: int = 16,
    copies: Path | None = None,
    keep: bool = True,
    progress: Progress | None = None,
    mesh: Mesh | None = None,
    shelf: Shelf | None = None,
    expected: Expected | None = None,
    warn: Callable[[str], None] = lambda message: None,
) -> Model:
    """Bring a model's weights into place.

    Args:
        card: from `describe`.
        context: tokens that a prompt and its answer may take; None: the trained window.
        attention: how global layers read the past; ``auto``: as they were trained, but where the context is
            longer than they were trained for, see `model.reach.method`.
        precision: None: what is fastest on this machine: ``packed`` on a CPU with the compiled kernel, else
            ``quantized``, ``grouped`` on an accelerator; ``float32``: exactly the file's weights, for
            measurements.
        bits: of the weights of a safetensors checkpoint, which are floats and are rounded as they are read.
        kv_bits: of a cached key or value: 16 or 8; with ``float32`` it is 32 all the same.
        copies: folder that keeps the quantized weights laid out, so that the next load maps them.
        keep: False maps what is there, and lays out nothing on disk.
        progress: called with weights read and in all; not at all when a kept copy is mapped.
        mesh: devices to divide the model over, from `model.mesh.mesh_of`; None: all accelerators of this
            machine where there are several.
        shelf: where prefixes of prompts are kept; None keeps none.
        expected: the prompt that will be asked first; what is kept of it is read meanwhile.
        warn: called at most once, where a kernel that this machine should run cannot be used.

    Raises:
        FormatError: the file's tensors do not make up the model that it describes.
        UnsupportedModelError: this attention does not run on several devices.
        OSError: it cannot be read.
    """
    import jax

    from model.attention.choice import choose
    from model.decoder.decoder import Decoder
    from model.engine.engine import Engine
    from model.engine.kept import kept_prefixes
    from model.mesh import default_mesh
    from model.native import enable
    from model.nn.calibrate import Gemm, gemm_type
    from model.nn.linear import Numerics, few_rows
    from model.nn.packed import KERNEL
    from model.reach import is_sparse, reaching
    from model.senses import load_senses

    mesh = default_mesh() if mesh is None else mesh
    if precision is None and (mesh is not None or jax.default_backend() != "cpu"):
        precision = "grouped"
    elif precision is None:
        precision = "quantized" if enable(KERNEL, None) else "packed"
    config = reaching(card.config, attention, context or card.window)
    if mesh is not None and is_sparse(config):
        raise UnsupportedModelError("sparse attention runs on one device: give --attention dense or extended")
    exact = precision == "float32"
    backend, cache_bits = jax.default_backend(), 32 if exact else kv_bits
    plain = exact or mesh is not None  # kernels cannot be divided, and round where every bit counts
    implementation, passed = choose(config.layers, backend, cache_bits, plain=plain)
    grouped_rows, why = few_rows(backend, plain=plain)
    if passed := [*passed, *why]:
        others = f", and {len(passed) - 1} more like it" if len(passed) > 1 else ""
        warn(f"answers are slower than this machine could give them: {passed[0]}{others}")
    gemm: Gemm = "float32" if exact or precision == "packed" else "bfloat16"
    if gemm == "bfloat16" and backend == "cpu":
        compiled_folder, _, kept = _prepared or (None, "", False)
        gemm = gemm_type(compiled_folder, keep=kept)
    numerics = Numerics(
        gemm=gemm,
        integer_rows=0 if plain else 2,  # in one piece: it counts both halves in a row
        grouped_rows=grouped_rows,
    )
    decoder = Decoder(config, numerics, implementation, mesh)
    prefixes = kept_prefixes(shelf, card, decoder, (precision, bits), cache_bits, expected)
    params = _params(card, precision, bits, copies, keep, progress, mesh)
    return Model(
        card,
        Engine(decoder, params, window=context or card.window, cache_bits=cache_bits, prefixes=prefixes),
        load_senses(card, numerics),
    )


def _params(
    card: ModelCard,
    precision: Precision,
    bits: Bits,
    copies: Path | None,
    keep: bool,
    progress: Progress | None,
    mesh: Mesh | None,
) -> Params:
    from model.formats.open import is_safetensors, open_checkpoint
    from model.weights.load import load_params

    with open_checkpoint(card.path) as file:
        read = partial(
            load_params,
            file,
            card.config,
            precision=precision,
            copies=copies,
            keep=keep,
            report=progress,
            mesh=mesh,
        )
        if not is_safetensors(card.path):
            return read()
        from model.arch.hf_naming import naming_from_hf

        return read(naming_from_hf(card.source, file.tensors), bits=bits)
