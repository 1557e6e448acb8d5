"""Convolution: conv_general_dilated, and how it is differentiated, batched and lowered.

With spatial dimensions left out, a convolution is a product of matrices: examples times input features by input times
output features. So its rules are those of a product: it is bilinear, and the cotangent of each operand is a convolution
of the result's cotangent with the other one. In the spatial dimensions

    out[o] = sum_k lhs[(o * stride + k * rhs_dilation - low) / lhs_dilation] * rhs[k]

over those k for which the index is a whole number within bounds. Seen from an element of lhs or rhs the roles of
stride and dilations are exchanged: for lhs, stride and lhs_dilation; for rhs, stride and rhs_dilation.

Groups make a convolution block-diagonal: with g feature groups the input features are (g, c), the output features
(g, o), and group i sees group i only; with g batch groups the examples are (g, n) instead, and the result has n.
The cotangent of a kernel with feature groups is a convolution with batch groups, and the other way round.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.ops.axes import move_axis
from ferax._src.ops.base import add, check_same_dtypes, float0_error
from ferax._src.ops.broadcasting import transpose_p
from ferax._src.ops.conv_lowering import quicker_form, reshaped
from ferax._src.ops.conv_numbers import (
    ConvDimensionNumbers,
    check_strides,
    conv_shape_tuple,
    dilated,
    placed_by,
)
from ferax._src.ops.convert import convert_element_type_p
from ferax._src.ops.elementwise import sub
from ferax._src.ops.elementwise_complex import complex, imag, real
from ferax._src.ops.precision import DotAlgorithm, DotAlgorithmPreset
from ferax._src.ops.shape import rev_p
from ferax._src.ops.zeros import zeros
from ferax._src.tracing.core import Primitive, Zero, register
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.symbolic_dims import has_symbolic

_NAME = "conv_general_dilated"


class ConvGeneralDilated(Primitive):
    """Sums of products of a kernel ``rhs`` with the windows of ``lhs``, over windows and input features; bilinear."""

    name = _NAME

    def abstract_eval(self, x, y, *, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers, feature_group_count,
                      batch_group_count, preferred_element_type, out_sharding, **_):
        lhs_spec, rhs_spec, out_spec = dimension_numbers
        if x.ndim != y.ndim:
            raise ValueError(f"{_NAME}: lhs and rhs must have the same number of dimensions, got shapes {x.shape} and {y.shape}")
        _check_groups(x, y, dimension_numbers, feature_group_count, batch_group_count)
        for what, values in (("window_strides", window_strides), ("lhs_dilation", lhs_dilation), ("rhs_dilation", rhs_dilation)):
            if len(values) != x.ndim - 2:
                raise ValueError(f"{_NAME}: {what} must have an entry for each of the {x.ndim - 2} spatial dimensions, got {values}")
        check_strides(_NAME, "window_strides", window_strides)
        if min((*lhs_dilation, *rhs_dilation), default=1) < 1:
            raise TypeError(f"{_NAME}: dilations must be positive, got lhs_dilation {lhs_dilation} and rhs_dilation {rhs_dilation}")
        if 0 in [y.shape[i] for i in rhs_spec[2:]]:
            raise ValueError(f"{_NAME}: the spatial sizes of rhs must be positive, got shape {y.shape} with spatial dimensions "
                             f"{rhs_spec[2:]}")
        shape = conv_shape_tuple(
            [x.shape[i] for i in lhs_spec[:2]] + [dilated(x.shape[i], d) for i, d in zip(lhs_spec[2:], lhs_dilation)],
            [y.shape[i] for i in rhs_spec[:2]] + [dilated(y.shape[i], d) for i, d in zip(rhs_spec[2:], rhs_dilation)],
            window_strides, padding, batch_group_count)
        dtype = _result_dtype(x, y, preferred_element_type)
        return [ShapedArray(placed_by(shape, out_spec), dtype, x.weak_type and y.weak_type, out_sharding)]

    def lower(self, ctx, x, y, **params):
        (x_aval, y_aval), (out,) = ctx.avals_in, ctx.avals_out
        if 0 in (x_aval.size, y_aval.size, out.size):
            return [ctx.const(0, out.strip_weak_type())]
        if dtypes.kind_of(x_aval.dtype) == "c" and ctx.platform != "tpu":    # elsewhere XLA has it slow or not at all
            closed = trace_to_jaxpr(lambda x, y: [_by_real_parts(x, y, params)], [x_aval, y_aval])
            return ctx.inline(closed, x, y, here=True)
        if ctx.tuned:
            found = quicker_form(ctx, self, x, y, params)
            if found is not None:
                return found
        ctx.note_contraction("small_conv" if _is_small(y_aval, out, params) else "conv")
        precision = params["precision"]
        by_algorithm = isinstance(precision, (DotAlgorithm, DotAlgorithmPreset))
        names = ("DEFAULT", "DEFAULT") if precision is None or by_algorithm else [p.name for p in precision]
        return ctx.emit("stablehlo.convolution", (x, y), {
            "window_strides": ctx.i64s(params["window_strides"]),
            "padding": ctx.i64_tensor(np.array(params["padding"], np.int64).reshape(-1, 2)),
            "lhs_dilation": ctx.i64s(params["lhs_dilation"]),
            "rhs_dilation": ctx.i64s(params["rhs_dilation"]),
            "dimension_numbers": ctx.conv_dimension_numbers(*params["dimension_numbers"]),
            "feature_group_count": ctx.i64(params["feature_group_count"]),
            "batch_group_count": ctx.i64(params["batch_group_count"]),
            "precision_config": ctx.precision(*names)})

    def jvp(self, primals, tangents, **params):
        (x, y), (t_x, t_y) = primals, tangents
        outs = self.bind(x, y, **params)
        if dtypes.tangent_dtype(aval_of(outs[0]).dtype) == dtypes.float0:
            return outs, [Zero.of(outs[0])]
        terms = []
        if type(t_x) is not Zero and t_x.dtype != dtypes.float0:
            terms += self.bind(t_x, y, **params)
        if type(t_y) is not Zero and t_y.dtype != dtypes.float0:
            terms += self.bind(x, t_y, **params)
        if not terms:
            return outs, [Zero.of(outs[0])]
        return outs, [terms[0] if len(terms) == 1 else add(*terms)]

    def transpose(self, cts, x, y, **params):
        (ct,) = cts
        if isinstance(x, ShapedArray):
            return [_like(_cotangent_of_lhs(ct, x, y, **params), x), None]
        return [None, _like(_cotangent_of_rhs(ct, x, y, **params), y)]

    def batch(self, axis, args, dims, *, dimension_numbers, feature_group_count, batch_group_count, **params):
        (x, y), (d_x, d_y) = args, dims
        (n, c, *_), (o, _, *_), (_, out_feature, *_) = dimension_numbers
        params["out_sharding"] = None
        to = out_feature
        unfold_by = 1
        if axis.size == 0:
            return self.no_rows(args, dims, dimension_numbers=dimension_numbers, feature_group_count=feature_group_count,
                                batch_group_count=batch_group_count, **params)
        if d_y is None:                         # more examples; of batch groups, in each
            x = _fold(x, d_x, n, batch_group_count)
            to = dimension_numbers[2][0]
        elif d_x is None:                       # more output features; in each group
            unfold_by = max(feature_group_count, batch_group_count)
            y = _fold(y, d_y, o, unfold_by)
        else:                                   # more groups
            y = _fold(y, d_y, o)
            if batch_group_count > 1:
                x = _fold(x, d_x, n)
                batch_group_count *= axis.size
            else:
                x = _fold(x, d_x, c)
                feature_group_count *= axis.size
        (out,) = self.bind(x, y, dimension_numbers=dimension_numbers, feature_group_count=feature_group_count,
                           batch_group_count=batch_group_count, **params)
        return [_unfold(out, to, axis.size, unfold_by)], [to]

    def no_rows(self, args, dims, **params):
        """The batch rule for a mapped axis of size 0."""
        avals = [aval_of(x) if d is None else aval_of(x).update(shape=(*x.shape[:d], *x.shape[d + 1:]))
                 for x, d in zip(args, dims)]
        (out,) = self.abstract_eval(*avals, **params)
        return [zeros(out.update(shape=(0, *out.shape)))], [0]


conv_general_dilated_p = register(ConvGeneralDilated())


def _is_small(y, out, params) -> bool:
    """Whether XLA's kernels for few input features suit it; with a large kernel, as gradients have, they are slow."""
    _, rhs_spec, out_spec = params["dimension_numbers"]
    if has_symbolic((*y.shape, *out.shape)):
        return False
    taps, places = math.prod([y.shape[i] for i in rhs_spec[2:]]), math.prod([out.shape[i] for i in out_spec[2:]])
    return (y.shape[rhs_spec[1]] < 48 and taps <= max(places, 128) and params["batch_group_count"] == 1
            and all(d == 1 for d in params["lhs_dilation"]))


# --- checks -------------------------------------------------------------------------------------

def _check_groups(x, y, dimension_numbers, feature_groups: int, batch_groups: int) -> None:
    (n, c, *_), (o, i, *_), _ = dimension_numbers
    for what, groups in (("feature_group_count", feature_groups), ("batch_group_count", batch_groups)):
        if groups < 1:
            raise ValueError(f"{_NAME}: {what} must be positive, got {groups}")
        if y.shape[o] % groups:
            raise ValueError(f"{_NAME}: {what} must divide the output features of rhs, got {groups} for {y.shape[o]} output "
                             f"features, dimension {o} of shape {y.shape}")
    if x.shape[c] != y.shape[i] * feature_groups:
        raise ValueError(f"{_NAME}: the features of lhs must be feature_group_count times the input features of rhs, got "
                         f"{x.shape[c]} features, dimension {c} of lhs of shape {x.shape}, for {feature_groups} times "
                         f"{y.shape[i]} input features, dimension {i} of rhs of shape {y.shape}")
    if x.shape[n] % batch_groups:
        raise ValueError(f"{_NAME}: batch_group_count must divide the examples of lhs, got {batch_groups} for {x.shape[n]} "
                         f"examples, dimension {n} of shape {x.shape}")
    if feature_groups > 1 and batch_groups > 1:
        raise ValueError(f"{_NAME}: only one of feature_group_count and batch_group_count may be greater than 1, got "
                         f"{feature_groups} and {batch_groups}")


def _result_dtype(x, y, preferred):
    for i, aval in enumerate((x, y)):
        if aval.dtype == dtypes.float0:
            raise float0_error(_NAME, i)
        if dtypes.kind_of(aval.dtype) not in "biufc":
            raise TypeError(f"{_NAME} does not accept dtype {dtypes.dtype_name(aval.dtype)} at position {i}; it must be one of "
                            "numbers or booleans")
    check_same_dtypes(_NAME, (x, y))
    dtype = x.dtype
    if preferred is None:
        return dtype
    kind, wanted = dtypes.kind_of(dtype), dtypes.kind_of(preferred)
    names = f"{dtypes.dtype_name(dtype)} operands and preferred_element_type {dtypes.dtype_name(preferred)}"
    if wanted not in {"b": "biufc", "i": "if", "u": "iuf", "f": "f", "c": "c"}[kind]:
        raise TypeError(f"{_NAME}: preferred_element_type must be of the operands' kind, signed as they are, or floating where "
                        f"they are integers; got {names}")
    if preferred.itemsize < dtype.itemsize:
        raise TypeError(f"{_NAME}: preferred_element_type must not be narrower than the operands' dtype, got {names}")
    return preferred


# --- cotangents ---------------------------------------------------------------------------------

def _cotangent_of_lhs(ct, x, y, *, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers, feature_group_count,
                      batch_group_count, **params):
    """The cotangent, with output features for input features, along the kernel turned round; `x` is an aval."""
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    if 0 in (ct.size, x.size):
        return zeros(x.to_tangent_aval())
    (y,) = rev_p.bind(_like(y, ct), dimensions=tuple(rhs_spec[2:]))
    groups = max(feature_group_count, batch_group_count)
    y = _regroup(y, rhs_spec[0], rhs_spec[1], groups)
    pads = []
    for i, k, o, stride, (low, _), ld, rd in zip(lhs_spec[2:], rhs_spec[2:], out_spec[2:], window_strides, padding, lhs_dilation,
                                                 rhs_dilation):
        window = dilated(y.shape[k], rd)
        before = window - 1 - low
        pads.append((before, dilated(x.shape[i], ld) + window - 1 - dilated(ct.shape[o], stride) - before))
    params["out_sharding"] = None
    (out,) = conv_general_dilated_p.bind(
        ct, y, window_strides=lhs_dilation, padding=tuple(pads), lhs_dilation=window_strides, rhs_dilation=rhs_dilation,
        dimension_numbers=ConvDimensionNumbers(out_spec, (rhs_spec[1], rhs_spec[0], *rhs_spec[2:]), lhs_spec),
        feature_group_count=groups, batch_group_count=1, **params)
    return out if batch_group_count == 1 else _regroup(out, lhs_spec[1], lhs_spec[0], groups)


def _cotangent_of_rhs(ct, x, y, *, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers, feature_group_count,
                      batch_group_count, **params):
    """``x`` along the cotangent, examples in the place of features; `y` is an aval."""
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    if 0 in (ct.size, y.size, x.size):
        return zeros(y.to_tangent_aval())
    pads = []
    for i, k, o, stride, (low, _), ld, rd in zip(lhs_spec[2:], rhs_spec[2:], out_spec[2:], window_strides, padding, lhs_dilation,
                                                 rhs_dilation):
        high = dilated(y.shape[k], rd) - 1 + dilated(ct.shape[o], stride) - dilated(x.shape[i], ld) - low
        pads.append((low, high))

    def swapped(spec):
        return (spec[1], spec[0], *spec[2:])
    params["out_sharding"] = None
    return conv_general_dilated_p.bind(
        _like(x, ct), ct, window_strides=rhs_dilation, padding=tuple(pads), lhs_dilation=lhs_dilation, rhs_dilation=window_strides,
        dimension_numbers=ConvDimensionNumbers(swapped(lhs_spec), swapped(out_spec), swapped(rhs_spec)),
        feature_group_count=batch_group_count, batch_group_count=feature_group_count, **params)[0]


def _like(x, like):
    """``x`` in the dtype of ``like``; they differ where a preferred_element_type was given."""
    if aval_of(x).dtype == like.dtype:
        return x
    return convert_element_type_p.bind(x, new_dtype=like.dtype, weak_type=False, sharding=None)[0]


def _by_real_parts(x, y, params):
    """Three real convolutions for a complex one (Gauss): errors are relative to the larger of the two parts."""
    preferred = params["preferred_element_type"]
    if preferred is not None:
        params = {**params, "preferred_element_type": dtypes.to_floating_dtype(preferred)}

    def conv(x, y):
        return conv_general_dilated_p.bind(x, y, **params)[0]
    a, b, c, d = real(x), imag(x), real(y), imag(y)
    both = conv(add(a, b), c)
    return complex(sub(both, conv(b, add(c, d))), add(both, conv(a, sub(d, c))))


# --- axes made of several -----------------------------------------------------------------------

def _swap(x, axis: int):
    """``x`` with the axes ``axis`` and ``axis + 1`` exchanged."""
    order = list(range(x.ndim))
    order[axis:axis + 2] = order[axis:axis + 2][::-1]
    return transpose_p.bind(x, permutation=tuple(order))[0]


def _fold(x, d: int, axis: int, groups: int = 1):
    """The mapped axis ``d`` as part of another, ``axis`` of the unbatched value: (mapped, all), or (groups, mapped, rest)."""
    x = move_axis(x, d, axis)
    before, (size, n), after = x.shape[:axis], x.shape[axis:axis + 2], x.shape[axis + 2:]
    if groups > 1:
        x = _swap(reshaped(x, (*before, size, groups, n // groups, *after)), axis)
    return reshaped(x, (*before, size * n, *after))


def _unfold(x, axis: int, size: int, groups: int = 1):
    """The inverse of `_fold`, with the mapped axis at ``axis``."""
    before, n, after = x.shape[:axis], x.shape[axis] // size, x.shape[axis + 1:]
    if groups == 1:
        return reshaped(x, (*before, size, n, *after))
    x = _swap(reshaped(x, (*before, groups, size, n // groups, *after)), axis)
    return reshaped(x, (*before, size, n, *after))


def _regroup(x, source: int, destination: int, groups: int):
    """The groups, the slower part of the axis ``source``, made the slower part of the axis ``destination``."""
    if groups == 1:
        return x
    shape = list(x.shape)
    x = reshaped(x, (*shape[:source], groups, shape[source] // groups, *shape[source + 1:]))
    shape[source] //= groups
    return _fold(x, source, destination)
