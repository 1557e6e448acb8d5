"""Products of matrices and their kin: dot_general, which contracts some dimensions of two arrays, and batches others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ferax._src.ops.axes import shift_axes
from ferax._src.ops.base import add
from ferax._src.ops.broadcasting import inverse_permutation, transpose_p
from ferax._src.ops.convert import convert_element_type_p
from ferax._src.ops.placing import placed
from ferax._src.ops.precision import (
    CPU_ALGORITHMS,
    DotAlgorithm,
    DotAlgorithmPreset,
    Precision,
    canonicalize_precision,
)
from ferax._src.ops.static import as_static_ints
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of

#: ``((lhs contracting, rhs contracting), (lhs batch, rhs batch))``
DotDimensionNumbers = tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]]
PrecisionLike = None | str | Precision | tuple[str, str] | tuple[Precision, Precision] | DotAlgorithm | DotAlgorithmPreset

_FLOAT8_PAIRS = frozenset(d for d in dtypes.NARROW_FLOATS if dtypes.itemsize_bits(d) == 8
                          and dtypes.dtype_name(d) != "float8_e4m3b11fnuz")


class DotGeneral(Primitive):
    """Sum of products over the contracting dimensions, for each index of the batch dimensions; bilinear.

    The result has the batch dimensions, then those of the left operand that remain, then those of the right.
    """

    name = "dot_general"

    def abstract_eval(self, x, y, *, dimension_numbers, precision, preferred_element_type, out_sharding):
        (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
        _check_dims("lhs", x, x_contract, x_batch)
        _check_dims("rhs", y, y_contract, y_batch)
        for what, a, b in (("batch", x_batch, y_batch), ("contracting", x_contract, y_contract)):
            if [x.shape[i] for i in a] != [y.shape[i] for i in b]:
                raise TypeError(f"dot_general requires {what} dimensions to have the same shape, got {a} of lhs shape {x.shape} "
                                f"and {b} of rhs shape {y.shape}.")
        shape = (*[x.shape[i] for i in x_batch], *[n for i, n in enumerate(x.shape) if i not in x_contract and i not in x_batch],
                 *[n for i, n in enumerate(y.shape) if i not in y_contract and i not in y_batch])
        dtype = result_dtype(x.dtype, y.dtype, preferred_element_type, isinstance(precision, (DotAlgorithm, DotAlgorithmPreset)))
        return [ShapedArray(shape, dtype, x.weak_type and y.weak_type, out_sharding)]

    def lower(self, ctx, x, y, *, dimension_numbers, precision, preferred_element_type, out_sharding):
        (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
        (x_aval, y_aval), (out,) = ctx.avals_in, ctx.avals_out
        x_dtype, y_dtype, dtype = x_aval.dtype, y_aval.dtype, out.dtype
        attrs = {"dot_dimension_numbers": ctx.dot_dimension_numbers(x_batch, y_batch, x_contract, y_contract)}
        by_algorithm = isinstance(precision, (DotAlgorithm, DotAlgorithmPreset))
        names = ("DEFAULT", "DEFAULT") if precision is None or by_algorithm else [p.name for p in precision]
        attrs["precision_config"] = ctx.precision(*names)
        if by_algorithm:
            if ctx.platform == "cpu" and precision not in CPU_ALGORITHMS:
                raise ValueError(f"The precision '{precision}' is not supported by dot_general on CPU")
            x_dtype, y_dtype, dtype = precision.operand_types(x_dtype, y_dtype, dtype)
            algorithm = precision.attribute(ctx, x_dtype, y_dtype)
            if algorithm is not None:
                attrs["algorithm"] = algorithm
        elif x_dtype != y_dtype and not _mixes(ctx.platform, x_dtype, y_dtype):
            x_dtype = y_dtype = dtype
        if x_dtype != x_aval.dtype:
            x = ctx.convert(x, x_aval.shape, x_dtype)
        if y_dtype != y_aval.dtype:
            y = ctx.convert(y, y_aval.shape, y_dtype)
        found = ctx.op("stablehlo.dot_general", (x, y), [ctx.tensor(out.shape, dtype)], attrs).result
        return [found if dtype == out.dtype else ctx.convert(found, out.shape, out.dtype)]

    def jvp(self, primals, tangents, **params):
        (x, y), (t_x, t_y) = primals, tangents
        outs = self.bind(x, y, **params)
        terms = []
        if type(t_x) is not Zero:
            terms += self.bind(t_x, y, **params)
        if type(t_y) is not Zero:
            terms += self.bind(x, t_y, **params)
        if not terms or dtypes.tangent_dtype(aval_of(outs[0]).dtype) == dtypes.float0:
            return outs, [Zero.of(outs[0])]
        return outs, [terms[0] if len(terms) == 1 else add(*terms)]

    def transpose(self, cts, x, y, *, dimension_numbers, **params):
        (ct,) = cts
        (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
        x_kept = [i for i in range(np.ndim(x)) if i not in x_contract and i not in x_batch]
        y_kept = [i for i in range(np.ndim(y)) if i not in y_contract and i not in y_batch]
        n = len(x_batch)
        ct_batch = tuple(range(n))
        ct_x, ct_y = range(n, n + len(x_kept)), range(n + len(x_kept), n + len(x_kept) + len(y_kept))
        if isinstance(x, ShapedArray):
            return [_other_factor(x, x_contract, x_batch, x_kept, y, y_contract, y_batch, y_kept, ct, ct_batch, ct_y, params), None]
        return [None, _other_factor(y, y_contract, y_batch, y_kept, x, x_contract, x_batch, x_kept, ct, ct_batch, ct_x, params)]

    def batch(self, axis, args, dims, *, dimension_numbers, **params):
        (x, y), (d_x, d_y) = args, dims
        (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
        if d_x is not None:
            x_contract, x_batch = shift_axes(x_contract, d_x), shift_axes(x_batch, d_x)
        if d_y is not None:
            y_contract, y_batch = shift_axes(y_contract, d_y), shift_axes(y_batch, d_y)
        if d_y is None:                         # one more dimension that remains, of the left operand
            to = len(x_batch) + sum([i not in x_contract and i not in x_batch for i in range(d_x)])
        elif d_x is None:                       # of the right one
            to = aval_of(x).ndim - len(x_contract) + sum([i not in y_contract and i not in y_batch for i in range(d_y)])
        else:                                   # one more batch dimension
            x_batch, y_batch, to = (d_x, *x_batch), (d_y, *y_batch), 0
        numbers = (x_contract, y_contract), (x_batch, y_batch)
        params["out_sharding"] = None
        return self.bind(x, y, dimension_numbers=numbers, **params), [to]


def _other_factor(x, x_contract, x_batch, x_kept, y, y_contract, y_batch, y_kept, ct, ct_batch, ct_y, params):
    """The cotangent of one operand: the product of the result's cotangent and the other operand.

    The product has the batch dimensions, then the dimensions that remain of each factor. Of the two orders
    of the factors that is taken which puts them as ``x`` has them, if one does; then nothing is transposed.
    """
    by_y = [x_contract[i] for i in sorted(range(len(y_contract)), key=y_contract.__getitem__)]
    ct_first, y_first = [*x_batch, *x_kept, *by_y], [*x_batch, *by_y, *x_kept]
    in_order = list(range(x.ndim))
    params = {**params, "out_sharding": None}
    if y_first == in_order != ct_first:
        numbers = (tuple(y_kept), tuple(ct_y)), (tuple(y_batch), ct_batch)
        (out,), layout = dot_general_p.bind(y, ct, dimension_numbers=numbers, **_swapped(params)), y_first
    else:
        numbers = (tuple(ct_y), tuple(y_kept)), (ct_batch, tuple(y_batch))
        (out,), layout = dot_general_p.bind(ct, y, dimension_numbers=numbers, **params), ct_first
    if layout != in_order:
        (out,) = transpose_p.bind(out, permutation=inverse_permutation(layout))
    dtype = x.to_tangent_aval().dtype
    if out.dtype == dtype:
        return out
    return convert_element_type_p.bind(out, new_dtype=dtype, weak_type=x.weak_type, sharding=None)[0]


def _swapped(params):
    """The parameters for the factors in the other order."""
    precision = params["precision"]
    if isinstance(precision, tuple) and not isinstance(precision, DotAlgorithm):
        precision = precision[::-1]
    elif isinstance(precision, DotAlgorithm):
        precision = precision._replace(
            lhs_precision_type=precision.rhs_precision_type, rhs_precision_type=precision.lhs_precision_type,
            lhs_component_count=precision.rhs_component_count, rhs_component_count=precision.lhs_component_count)
    return {**params, "precision": precision}


def _check_dims(side: str, x, contract, batch) -> None:
    dims = (*contract, *batch)
    if any(not 0 <= d < x.ndim for d in dims):
        raise TypeError(f"dot_general requires {side} dimension numbers to be nonnegative and less than the number of axes of "
                        f"the {side} value, got {side}_batch of {batch} and {side}_contracting of {contract} for {side} of "
                        f"rank {x.ndim}")
    if len(set(dims)) != len(dims):
        raise TypeError(f"dot_general requires {side} batch and contracting dimensions to be distinct, got {side}_batch "
                        f"{batch} and {side}_contracting {contract}.")


# --- the dtype of the result --------------------------------------------------------------------

_ranks: dict = {}


def _rank(dtype) -> tuple:
    """Where a dtype stands among those that a product may mix: the greater one is the result's."""
    rank = _ranks.get(dtype)
    if rank is None:
        kind = dtypes.kind_of(dtype)
        part = dtypes.to_floating_dtype(dtype) if kind == "c" else dtype
        if kind not in "biufc":
            raise TypeError(f"dot_general does not accept dtype {dtypes.dtype_name(dtype)}")
        info = dtypes.finfo(part) if kind in "fc" else None
        rank = _ranks[dtype] = (kind == "c", info.maxexp if info else -1, info.nmant if info else -1,
                                dtypes.itemsize_bits(part) if kind != "b" else 1, kind != "u")
    return rank


def result_dtype(x, y, preferred, has_algorithm: bool = False):
    """The dtype of a product of arrays of dtypes ``x`` and ``y``."""
    if x is y or x == y:
        _rank(x)
        dtype = x
    else:
        a, b = _rank(x), _rank(y)
        if a == b:
            raise TypeError(f"lax.dot_general argument type error: {dtypes.dtype_name(x)}, {dtypes.dtype_name(y)}")
        dtype = x if a > b else y
    if preferred is None or preferred == dtype:
        return dtype
    if not has_algorithm and dtypes.kind_of(dtype) != "f" and _rank(preferred)[3] < _rank(dtype)[3]:
        raise TypeError("`preferred_element_type` must not be narrower than the original type, got preferred_element_type of "
                        f"{dtypes.dtype_name(preferred)} for result type of {dtypes.dtype_name(dtype)}.")
    return preferred


def _mixes(platform: str, x, y) -> bool:
    """Whether the compiler takes operands of these two dtypes as they are."""
    if platform == "tpu":
        return dtypes.kind_of(x) in "iuf" and dtypes.kind_of(y) in "iuf"
    return x in _FLOAT8_PAIRS and y in _FLOAT8_PAIRS


dot_general_p = register(DotGeneral())


# --- the functions ------------------------------------------------------------------------------

def dot_general(lhs, rhs, dimension_numbers, precision=None, preferred_element_type=None, *, out_sharding=None):
    """Contract dimensions of two arrays: sums of products, for each index of the batch dimensions.

    Parameters
    ----------
    lhs, rhs : arrays
    dimension_numbers : ``((lhs_contracting, rhs_contracting), (lhs_batch, rhs_batch))``, sequences of ints
    precision : None, a `Precision` or its name, a pair of these for the two operands, or an algorithm
    preferred_element_type : dtype of the result, and of sums on the way to it; None: by the operands
    out_sharding : sharding of the result, or None

    Returns
    -------
    array with the batch dimensions, then those of ``lhs`` that remain, then those of ``rhs``
    """
    try:
        (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    except (TypeError, ValueError):
        raise ValueError("dimension_numbers must be ((lhs_contracting, rhs_contracting), (lhs_batch, rhs_batch)), got "
                         f"{dimension_numbers!r}") from None
    numbers = ((_dims(lhs_contract, "lhs_contracting"), _dims(rhs_contract, "rhs_contracting")),
               (_dims(lhs_batch, "lhs_batch"), _dims(rhs_batch, "rhs_batch")))
    if preferred_element_type is not None:
        preferred_element_type = dtypes.check_user_dtype(preferred_element_type, "dot_general")
    (out,) = dot_general_p.bind(lhs, rhs, dimension_numbers=numbers, precision=canonicalize_precision(precision),
                                preferred_element_type=preferred_element_type, out_sharding=None)
    return out if out_sharding is None else placed(out, out_sharding, "dot_general")


def _dims(dims, name: str) -> tuple[int, ...]:
    """Dimensions as a tuple; one may be given by itself."""
    return as_static_ints((dims,) if isinstance(dims, (int, np.integer)) else dims, name)


def dot(lhs, rhs, *, dimension_numbers=None, precision=None, preferred_element_type=None, out_sharding=None):
    """The product of two vectors or matrices; with ``dimension_numbers`` it is `dot_general`.

    Parameters
    ----------
    lhs, rhs : arrays of one or two dimensions; the last of ``lhs`` and the first of ``rhs`` have the same size
    dimension_numbers, precision, preferred_element_type, out_sharding : as of `dot_general`

    Returns
    -------
    array
    """
    if dimension_numbers is None:
        x, y = aval_of(lhs).shape, aval_of(rhs).shape
        if not (1 <= len(x) <= 2 and 1 <= len(y) <= 2 and x[-1] == y[0]):
            raise ValueError("dot: dimension_numbers must be given but for products of vectors and matrices that fit; got "
                             f"lhs of shape {x} and rhs of shape {y}")
        dimension_numbers = (((len(x) - 1,), (0,)), ((), ()))
    return dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type, out_sharding=out_sharding)


def batch_matmul(lhs, rhs, precision=None):
    """Products of matrices, which are the last two dimensions; the others are batch dimensions.

    Parameters
    ----------
    lhs, rhs : arrays of the same number of dimensions, at least two
    precision : as of `dot_general`

    Returns
    -------
    array
    """
    x, y = aval_of(lhs).ndim, aval_of(rhs).ndim
    if min(x, y) < 2:
        raise ValueError(f"Arguments to batch_matmul must be at least 2D, got {x}, {y}")
    if x != y:
        raise ValueError(f"Arguments to batch_matmul must have same ndim, got {x}, {y}")
    batch = tuple(range(x - 2))
    return dot_general(lhs, rhs, (((x - 1,), (x - 2,)), (batch, batch)), precision)
