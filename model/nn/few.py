"""Products of few rows with grouped integers as a Pallas kernel, for GPUs: weights widen in registers alone.

Few rows wait for the weights to arrive, so those are read once, as the 4 or 8 bits that they are, and nothing
of their size is ever written.  Sums are of f32.  Definition: `model.nn.grouped.widened` and a product of f32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.experimental import pallas as pl

from model.nn.grouped import GroupedArray, widened
from model.trial import can_address, refusal

MOST = 8
"""Rows of activations that count as few."""

_OUTPUTS = 16  # of a program, at most
_GROUPS = 16  # of columns that it takes at a time, at most
_FEWEST_OUTPUTS = 4
_TOLERANCE = 1e-4  # of sums of f32 in another order


@dataclass(frozen=True, slots=True)
class _Cut:
    """How a product is divided, all known when the program is built: outputs of a program, groups of columns
    at a time, and how many times that is."""

    outputs: int
    groups: int
    times: int


def can_multiply(weight: GroupedArray) -> bool:
    """Whether the kernel takes a weight: groups are a power of two, and outputs have one as a factor."""
    out, columns = weight.values.shape[-2:]
    group = columns // weight.scales.shape[-1]
    return (
        group >= _GROUPS
        and group & (group - 1) == 0
        and out % _FEWEST_OUTPUTS == 0
        and can_address(weight.values.size)
    )


def product(x: Array, weight: GroupedArray, interpret: bool | None = None) -> Array:
    """``x @ weight.T``.

    Args:
        x: f32 [T, in].
        weight: [out, in], or one of a stack of them.
        interpret: run it as a program of the array library; None: on a processor.

    Returns:
        f32 [T, out].
    """
    tokens, columns = x.shape
    out, groups = weight.scales.shape[-2:]
    if weight.layer is None:
        weight = jax.tree.map(lambda part: part[None], weight).at(jnp.int32(0))
    assert weight.layer is not None
    grouped = x.reshape(tokens, groups, -1)
    height, wide = (_factor(count, most) for count, most in ((out, _OUTPUTS), (groups, _GROUPS)))
    cut = _Cut(height, wide, groups // wide)
    inputs = [
        weight.layer.astype(jnp.int32).reshape(1),
        grouped,
        weight.values.reshape(-1, out, groups, columns // groups),
        weight.scales,
        weight.multipliers,
    ]
    if weight.mins is not None:
        inputs += [grouped.sum(-1), weight.mins]
    interpret = jax.default_backend() == "cpu" if interpret is None else interpret
    return pl.pallas_call(
        partial(_kernel, cut=cut),
        out_shape=jax.ShapeDtypeStruct((tokens, out), jnp.float32),
        grid=(out // height,),
        interpret=interpret,
        compiler_params=None if interpret else _compiler(),
        name="gemcli_few_rows",
    )(*inputs)


def _factor(count: int, most: int) -> int:
    """The largest power of two that divides a count and is not beyond `most`."""
    return min(most, count & -count)


def _compiler() -> Any:
    from jax.experimental.pallas import triton

    return triton.CompilerParams(num_warps=4, num_stages=3)


def _kernel(
    layer_ref: Any, x_ref: Any, values_ref: Any, scales_ref: Any, multipliers_ref: Any, *more: Any, cut: _Cut
) -> None:
    """Some outputs of all rows; with minimums `more` begins with sums of every group, and them."""
    *with_mins, out_ref = more
    layer, rows = layer_ref[0], pl.ds(pl.program_id(0) * cut.outputs, cut.outputs)
    tokens, _, group = x_ref.shape

    def step(index: Array, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        groups = pl.ds(index * cut.groups, cut.groups)
        values = values_ref[layer, rows, groups, pl.ds(0, group)].astype(jnp.float32)
        scales = scales_ref[layer, rows, groups].astype(jnp.float32)
        new = [scales * (values * x_ref[token, groups, :][None]).sum(2) for token in range(tokens)]
        if with_mins:
            sums_ref, mins_ref = with_mins
            mins = mins_ref[layer, rows, groups].astype(jnp.float32)
            new = [part - mins * sums_ref[token, groups][None] for token, part in enumerate(new)]
        return tuple(old + part for old, part in zip(sums, new, strict=True))

    start = (jnp.zeros((cut.outputs, cut.groups), jnp.float32),) * tokens
    sums = lax.fori_loop(0, cut.times, step, start)
    multipliers = multipliers_ref[layer, rows]
    for token, part in enumerate(sums):
        out_ref[token, rows] = part.sum(1) * multipliers


@cache
def trial() -> str | None:
    """What is wrong with the kernel on this machine; None when it computes what is defined.

    Once in a process.
    """
    draw = np.random.default_rng(0)
    stack, out, columns = 2, 48, 640
    for kind, group, low, high in ((jnp.int8, 16, -127, 128), (jnp.int4, 32, -8, 8), (jnp.uint4, 32, 0, 16)):
        shape = (stack, out, columns // group)
        weight = GroupedArray(
            jnp.asarray(draw.integers(low, high, (stack, out, columns)), kind),
            jnp.asarray(draw.uniform(0.5, 1, shape), jnp.float16),
            jnp.asarray(draw.uniform(0.5, 1, shape), jnp.float16) if kind == jnp.uint4 else None,
            jnp.asarray(2.0 ** draw.integers(-3, 3, (stack, out)), jnp.float32),
            jnp.int32(1),
        )
        for tokens in (1, MOST):
            x = jnp.asarray(draw.standard_normal((tokens, columns)), jnp.float32)
            wide = np.asarray(jax.jit(partial(widened, dtype=jnp.float32))(weight), np.float64)
            want = np.asarray(x, np.float64) @ wide.T
            try:
                got = np.asarray(jax.jit(product)(x, weight))
            except Exception as error:
                return refusal(error)
            if not np.allclose(got, want, rtol=0, atol=_TOLERANCE * np.abs(want).max()):
                return f"its product of {tokens} rows with {jnp.dtype(kind).name} is wrong"
    return None
