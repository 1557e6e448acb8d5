"""The k greatest or smallest elements, approximately: TPUs find them quickly, with a given share of the right ones.

The TPU's method is that of Chern et al., "TPU-KNN: K nearest neighbor search at peak FLOP/s" (2022): the elements are put into
bins, of which each keeps its best. On other platforms the result is exact.
"""

from __future__ import annotations

import numpy as np

from ferax._src.engine import custom_calls
from ferax._src.ops.base import operand as as_operand
from ferax._src.ops.compare import gt, lt
from ferax._src.ops.gather import take_along
from ferax._src.ops.reduce import greatest, least
from ferax._src.ops.static import as_static_int, normalize_axis
from ferax._src.tracing.core import Primitive, Tracer, Zero, register
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.util import errors

_I32 = np.dtype(np.int32)


class ApproxTopK(Primitive):
    """Among the elements along ``reduction_dimension`` the ``k`` greatest (or smallest), best first, and their indices.

    If not ``aggregate_to_topk``, there are as many as the method finds before it chooses the best k of them.
    """

    name = "approx_top_k"

    def abstract_eval(self, x, *, k, reduction_dimension, recall_target, is_max_k, reduction_input_size_override, aggregate_to_topk):
        if not x.shape:
            raise TypeError("approx_top_k operand must have >= 1 dimension, got ()")
        if dtypes.kind_of(x.dtype) != "f":
            raise ValueError(f"operand must be a floating type, got {dtypes.dtype_name(x.dtype)}")
        if not 0 <= reduction_dimension < x.ndim:
            raise ValueError(f"approx_top_k: reduction_dimension {reduction_dimension} is out of bounds for shape {x.shape}")
        n = x.shape[reduction_dimension]
        if k < 1:
            raise ValueError(f"k must be positive, got {k}")
        if n < k:
            raise ValueError(f"k must be smaller than the size of reduction_dim {n}, got {k}")
        if not 0 < recall_target <= 1:
            raise ValueError(f"approx_top_k: recall_target must be greater than 0 and at most 1, got {recall_target}")
        if reduction_input_size_override != -1 and reduction_input_size_override < n:
            raise ValueError("approx_top_k: reduction_input_size_override must be -1 or at least the size of the reduced dimension, "
                             f"{n}, got {reduction_input_size_override}")
        count = custom_calls.approx_top_k_size(n, x.ndim, k, recall_target, aggregate_to_topk, reduction_input_size_override)
        out = x.update(shape=(*x.shape[:reduction_dimension], count, *x.shape[reduction_dimension + 1:]), sharding=None)
        return [out, out.update(dtype=_I32)]

    def lower(self, ctx, x, *, k, reduction_dimension, recall_target, is_max_k, reduction_input_size_override, aggregate_to_topk):
        (aval,) = ctx.avals_in
        index = ctx.op("stablehlo.iota", (), [ctx.tensor(aval.shape, _I32)], {"iota_dimension": ctx.i64(reduction_dimension)}).result
        worst = (least if is_max_k else greatest)(aval.dtype)
        scalars = [ShapedArray((), aval.dtype)] * 2 + [ShapedArray((), _I32)] * 2
        ahead = trace_to_jaxpr(lambda x, y, i, j: [(gt if is_max_k else lt)(x, y)], scalars)
        config = {
            "top_k": np.int64(k), "reduction_dim": np.int64(reduction_dimension), "recall_target": np.float32(recall_target),
            "aggregate_to_topk": aggregate_to_topk, "reduction_input_size_override": np.int64(reduction_input_size_override),
        }
        if ctx.platform != "tpu":
            config["is_fallback"] = True        # XLA puts a sort there
        return ctx.custom_call(
            "ApproxTopK", (x, index, ctx.scalar(worst, aval.dtype), ctx.scalar(-1, _I32)), backend_config="", api_version=1,
            attrs={"called_computations": ctx.function_symbols([ahead], "approx_top_k_comparator"),
                   "mhlo.backend_config": ctx.attribute(config)})

    def jvp(self, primals, tangents, *, reduction_dimension, **params):
        outs = self.bind(*primals, reduction_dimension=reduction_dimension, **params)
        (t,) = tangents
        tangent = Zero.of(outs[0]) if type(t) is Zero else take_along(t, outs[1], reduction_dimension)
        return outs, [tangent, Zero.of(outs[1])]

    def batch(self, axis, args, dims, *, reduction_dimension, **params):
        (d,) = dims
        return self.bind(*args, reduction_dimension=reduction_dimension + (reduction_dimension >= d), **params), [d, d]


approx_top_k_p = register(ApproxTopK())


# --- the functions ------------------------------------------------------------------------------

def _approx_top_k(name, is_max_k, operand, k, reduction_dimension, recall_target, reduction_input_size_override, aggregate_to_topk):
    operand = as_operand(name, operand)
    ndim = aval_of(operand).ndim
    if not ndim:
        raise TypeError(f"{name}: operand must have at least one dimension, got a scalar")
    if isinstance(recall_target, Tracer):
        raise errors.ConcretizationTypeError(recall_target, "recall_target must be a number known while tracing")
    try:
        recall_target = float(recall_target)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: recall_target must be a number, got {recall_target!r}") from None
    return approx_top_k_p.bind(
        operand, k=as_static_int(k, "k"), reduction_dimension=normalize_axis(reduction_dimension, ndim, "reduction_dimension"),
        recall_target=recall_target, is_max_k=is_max_k, aggregate_to_topk=bool(aggregate_to_topk),
        reduction_input_size_override=as_static_int(reduction_input_size_override, "reduction_input_size_override"))


def approx_max_k(operand, k, reduction_dimension=-1, recall_target=0.95, reduction_input_size_override=-1, aggregate_to_topk=True):
    """The ``k`` greatest elements along a dimension, and their indices; on TPU approximately.

    Parameters
    ----------
    operand : array of floats
    k : how many
    reduction_dimension : along which
    recall_target : what share of the right elements to expect, greater than 0 and at most 1
    reduction_input_size_override : size to compute with instead of the dimension's, where ``operand`` is a part of something
        larger; -1 for the dimension's own
    aggregate_to_topk : whether to choose the best k of what is found; otherwise all that is found is answered, which may be more

    Returns
    -------
    [values, indices], the greatest first; indices of dtype int32

    Raises
    ------
    ValueError : if ``operand`` is not floating, ``k`` not positive or greater than the dimension, or a number out of range.
    TypeError : if ``operand`` is a scalar, or an argument is not of the kind it should be.

    References
    ----------
    Chern et al., "TPU-KNN: K nearest neighbor search at peak FLOP/s", 2022.
    """
    return _approx_top_k("approx_max_k", True, operand, k, reduction_dimension, recall_target, reduction_input_size_override,
                         aggregate_to_topk)


def approx_min_k(operand, k, reduction_dimension=-1, recall_target=0.95, reduction_input_size_override=-1, aggregate_to_topk=True):
    """The ``k`` smallest elements along a dimension, and their indices; on TPU approximately.

    Parameters
    ----------
    operand : array of floats
    k : how many
    reduction_dimension : along which
    recall_target : what share of the right elements to expect, greater than 0 and at most 1
    reduction_input_size_override : size to compute with instead of the dimension's, where ``operand`` is a part of something
        larger; -1 for the dimension's own
    aggregate_to_topk : whether to choose the best k of what is found; otherwise all that is found is answered, which may be more

    Returns
    -------
    [values, indices], the smallest first; indices of dtype int32

    Raises
    ------
    ValueError : if ``operand`` is not floating, ``k`` not positive or greater than the dimension, or a number out of range.
    TypeError : if ``operand`` is a scalar, or an argument is not of the kind it should be.
    """
    return _approx_top_k("approx_min_k", False, operand, k, reduction_dimension, recall_target, reduction_input_size_override,
                         aggregate_to_topk)
