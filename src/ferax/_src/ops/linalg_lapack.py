"""Calls of LAPACK on the CPU, and of its like on GPUs, from lowering rules.

    lu, pivots, info = lapack_call(ctx, "getrf", [x], [a], [a, pivots_aval, info_aval], aliases={0: 0})
    (lu,) = nan_where_failed(ctx, info, [lu], [a], ok="GE")

The kernels work on batches: leading dimensions of all operands and results. Matrices, which are the arrays with the most
dimensions, lie in memory column by column, as Fortran has them; XLA copies where they do not, or are written over.

A kernel that fails says so in ``info``, one int32 for each matrix of the batch; a compiled program cannot raise an
error, so the results of those matrices become NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ferax._src.engine import custom_calls
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray

#: The dtypes that LAPACK knows, and the letters it has for them.
LETTERS = {np.dtype(np.float32): "s", np.dtype(np.float64): "d", np.dtype(np.complex64): "c", np.dtype(np.complex128): "z"}
_INT32 = np.dtype(np.int32)


def lapack_call(ctx, routine: str, operands: Sequence, operand_avals: Sequence[ShapedArray],
                result_avals: Sequence[ShapedArray], attrs: Mapping | None = None,
                aliases: Mapping[int, int] | None = None) -> list:
    """Call a LAPACK routine of the CPU.

    Parameters
    ----------
    ctx : context of the lowering rule
    routine : name without the letter for the dtype, which is that of the first operand: "potrf", "ungqr"
    operands, operand_avals : MLIR values and their types
    result_avals : types of all results of the kernel, ``info`` included
    attrs : attributes; texts of one letter are characters, NumPy scalars keep their type
    aliases : result -> operand whose memory it takes

    Returns
    -------
    list of MLIR values

    Raises
    ------
    NotImplementedError : if LAPACK does not know the dtype.
    """
    letter = LETTERS.get(operand_avals[0].dtype)
    if letter is None:
        raise unsupported_dtype(routine, operand_avals[0].dtype)
    custom_calls.ensure_lapack()
    return kernel_call(ctx, f"lapack_{letter}{routine}_ffi", operands, operand_avals, result_avals, attrs, aliases)


def solver_call(ctx, routine: str, operands: Sequence, operand_avals: Sequence[ShapedArray],
                result_avals: Sequence[ShapedArray], attrs: Mapping | None = None,
                aliases: Mapping[int, int] | None = None, *, row_major: bool = False) -> list:
    """Call a routine of a GPU's solver library, cuSOLVER or hipSOLVER; see `lapack_call`."""
    if operand_avals[0].dtype not in LETTERS:
        raise unsupported_dtype(routine, operand_avals[0].dtype)
    custom_calls.ensure_gpu("solver", ctx.gpu_kind.upper())
    return kernel_call(ctx, f"{gpu_prefix(ctx)}solver_{routine}_ffi", operands, operand_avals, result_avals, attrs, aliases,
                       row_major=row_major)


def gpu_prefix(ctx) -> str:
    """How the names of GPU kernels begin."""
    return "hip" if ctx.gpu_kind == "rocm" else "cu"


def kernel_call(ctx, target: str, operands: Sequence, operand_avals: Sequence[ShapedArray],
                result_avals: Sequence[ShapedArray], attrs: Mapping | None = None,
                aliases: Mapping[int, int] | None = None, *, core_ndim: int = 2, row_major: bool = False) -> list:
    """Call a kernel by its full name, for a batch of matrices; see `lapack_call`.

    Parameters
    ----------
    core_ndim : dimensions of the operand that has the most, the batch ones left out
    row_major : whether matrices lie in memory row by row
    """
    most = max([a.ndim for a in operand_avals])
    layout = _row_major if row_major or core_ndim < 2 else _column_major
    layouts = [[layout(a.ndim) if a.ndim == most else _row_major(a.ndim) for a in avals]
               for avals in (operand_avals, result_avals)]
    described = {name: _attribute(value) for name, value in (attrs or {}).items()}
    extra = None
    if ctx.state.num_partitions > 1:
        extra = _by_batch(ctx, most - core_ndim, operand_avals, result_avals)
    return ctx.custom_call(target, operands, ctx.types(result_avals), described, operand_layouts=layouts[0],
                           result_layouts=layouts[1], aliases=aliases, attrs=extra)


def unsupported_dtype(routine: str, dtype) -> NotImplementedError:
    """The error for small floats, which no library of linear algebra knows."""
    return NotImplementedError(f"Unsupported dtype {dtypes.dtype_name(dtype)}: {routine} is there for float32, float64, "
                               "complex64 and complex128 only; convert to one of these first")


def _row_major(ndim: int) -> tuple[int, ...]:
    return tuple(range(ndim - 1, -1, -1))


def _column_major(ndim: int) -> tuple[int, ...]:
    return (ndim - 2, ndim - 1, *range(ndim - 3, -1, -1))


def _attribute(value):
    return np.uint8(ord(value)) if isinstance(value, str) and len(value) == 1 else value


def _by_batch(ctx, batch_ndim: int, operand_avals, result_avals) -> dict:
    """Attributes that let a program over several devices divide a call along its batch dimensions, and along no others.

    The rule names each dimension: the batch dimensions have the same name in all arrays, the others one of their own.
    """
    sizes: list[int] = []

    def factor(size: int) -> str:                           # they are called i, j, ..., z, z_1, z_2, ...
        n = len(sizes)
        sizes.append(size)
        return "ijklmnopqrstuvwxyz"[n] if n < 18 else f"z_{n - 17}"

    batch = [factor(n) for n in operand_avals[0].shape[:batch_ndim]]
    others: list[str] = []

    def tensors(avals) -> str:
        texts = []
        for aval in avals:
            own = [factor(n) for n in aval.shape[batch_ndim:]]
            others.extend(own)
            texts.append("[" + ", ".join([*batch, *own]) + "]")
        return ", ".join(texts)

    text = f"({tensors(operand_avals)})->({tensors(result_avals)})"
    names = [*batch, *others]
    counted = ", ".join([f"{name}={size}" for name, size in zip(names, sizes)])
    kept = f" need_replication={{{', '.join(others)}}}" if others else ""
    return {
        "mhlo.frontend_attributes": ctx.attribute({"num_batch_dims": str(batch_ndim)}),
        "sdy.sharding_rule": ctx.parse_attribute(f"#sdy.op_sharding_rule<{text} {{{counted}}}{kept}, custom>"),
    }


def info_aval(batch: Sequence[int]) -> ShapedArray:
    """The type of ``info``, for matrices of a batch."""
    return ShapedArray(tuple(batch), _INT32)


def nan_where_failed(ctx, info, values: Sequence, avals: Sequence[ShapedArray], ok: str = "EQ") -> list:
    """Fill results with NaN for matrices whose kernel failed.

    Parameters
    ----------
    info : MLIR value, int32, of the batch's shape
    values, avals : results, of floating or complex dtypes, and their types
    ok : how ``info`` compares with 0 where all went well: "EQ", or "GE" if positive numbers are no failure

    Returns
    -------
    list of MLIR values
    """
    batch = tuple(info.type.shape)
    zero = ctx.const(0, info_aval(batch))
    good = ctx.compare(info, zero, ok, batch, _INT32)
    out = []
    for value, aval in zip(values, avals):
        which = good
        if aval.shape != batch:
            which = ctx.broadcast_in_dim(good, aval.shape, np.dtype(bool), range(len(batch)))
        nan = complex(np.nan, np.nan) if dtypes.kind_of(aval.dtype) == "c" else np.nan
        out.append(ctx.select(which, value, ctx.const(nan, ShapedArray(aval.shape, aval.dtype))))
    return out
