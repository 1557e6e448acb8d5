"""Scaled dot-product attention."""

from __future__ import annotations

import math

import numpy as np

from ferax._src.control.stop_gradient import stop_gradient
from ferax._src.nn.softmax import softmax
from ferax._src.numpy.einsum import einsum
from ferax._src.numpy.fusing import fused_optional
from ferax._src.numpy.logsumexp import logsumexp
from ferax._src.numpy.util import choose, const, ensure_arraylike, promote_args
from ferax._src.ops.broadcasting import broadcast_in_dim, expand_dims, transpose
from ferax._src.ops.compare import ge, le, lt
from ferax._src.ops.convert import convert
from ferax._src.ops.elementwise import add, mul, sub
from ferax._src.ops.elementwise_bits import bitwise_and
from ferax._src.ops.shape import broadcasted_iota, reshape
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes

_int32 = np.dtype(np.int32)
_float32 = np.dtype(np.float32)


def _grouped(x, groups: int, kv_heads: int):
    """A bias or mask (b, n, t, s), n being 1 or the number of heads, as (b, kv heads, groups, t, s)."""
    b, n, t, s = x.shape
    if n == 1:
        return expand_dims(x, (2,))
    return reshape(x, (b, kv_heads, groups, t, s))


def _mask(t: int, s: int, mask, is_causal: bool, window, q_lengths, kv_lengths):
    """All masks in one, which broadcasts to (b, kv heads, groups, t, s); None if there is none."""
    parts = [] if mask is None else [mask]
    if is_causal or window is not None:
        row, column = [broadcasted_iota(_int32, (1, 1, 1, t, s), d) for d in (3, 4)]
        if is_causal:
            parts.append(le(column, row))
        if window is not None:
            left, right = window
            parts.append(le(row, add(column, np.int32(left))))
            parts.append(ge(row, sub(column, np.int32(right))))
    for lengths, axis, size in ((q_lengths, 3, t), (kv_lengths, 4, s)):
        if lengths is not None:
            shape = tuple([size if d == axis else 1 for d in range(5)])
            parts.append(lt(broadcasted_iota(_int32, shape, axis), expand_dims(lengths, (1, 2, 3, 4))))
    if not parts:
        return None
    out = parts[0]
    for part in parts[1:]:
        out = bitwise_and(*promote_args("attention", out, part))
    return out


@fused_optional(static=("scale", "is_causal", "window", "with_residual"))
def _attention(query, key, value, bias, mask, q_lengths, kv_lengths, traced_scale, *, scale, is_causal, window, with_residual):
    b, t, n, h = query.shape
    s, k = key.shape[1:3]
    groups = n // k
    query = reshape(query, (b, t, k, groups, h))
    # Logits are accumulated in float32 at least.
    logits = einsum("btkgh,bskh->bkgts", query, key, preferred_element_type=dtypes.promote_types(query.dtype, _float32))
    scale = convert(traced_scale, logits.dtype) if scale is None else const(logits, scale)
    logits = mul(logits, scale)
    if bias is not None:
        logits = convert(add(*promote_args("attention", logits, _grouped(bias, groups, k))), logits.dtype)
    mask = _mask(t, s, None if mask is None else _grouped(mask, groups, k), is_causal, window, q_lengths, kv_lengths)
    if mask is not None:
        # Not minus infinity: a row with nothing but masked logits is to be uniform, not nan.
        low = -0.7 * min(float(dtypes.finfo(logits.dtype).max), float(np.finfo(np.float32).max))
        logits = choose(mask, logits, const(logits, low))
    logits = convert(logits, _float32)
    weights = convert(softmax(logits, axis=-1), key.dtype)
    out = einsum("bkgts,bskh->btkgh", weights, value)
    if q_lengths is not None:
        valid = lt(broadcasted_iota(_int32, (b, t), 1), broadcast_in_dim(q_lengths, (b, t), (0,)))
        out = choose(expand_dims(valid, (2, 3, 4)), out, const(out, 0))
    out = reshape(out, (b, t, n, h))
    if not with_residual:
        return out
    residual = convert(logsumexp(logits, axis=-1), key.dtype)
    return out, stop_gradient(reshape(transpose(residual, (0, 3, 1, 2)), (b, t, n)))


def _with_batch(x):
    """An array with four dimensions, leading ones added."""
    return expand_dims(x, tuple(range(4 - x.ndim))) if x.ndim < 4 else x


def _check(x, shape, dtype, name: str) -> None:
    if x is None:
        return
    if x.ndim != len(shape):
        raise ValueError(f"{name} ndim should be {len(shape)}, but got {x.ndim}")
    if dtype is not None and x.dtype != dtype:
        raise ValueError(f"{name} dtype should be {dtype}, but got {x.dtype}")
    if any(n not in (-1, m) for n, m in zip(shape, x.shape)):
        raise ValueError(f"{name} shape should be {shape}: but got {x.shape}")


def dot_product_attention(query, key, value, bias=None, mask=None, *, scale=None, is_causal=False, query_seq_lengths=None,
                          key_value_seq_lengths=None, local_window_size=None, implementation=None, return_residual=False):
    """``softmax(query @ key.T * scale + bias) @ value``, for each batch and head.

    With B the batch, T and S the lengths of query and key, N and K the numbers of heads of query and of key and value, N a
    multiple of K (groups of N / K query heads share a key head), H the size of a head:

    Parameters
    ----------
    query : array of shape (B, T, N, H), or (T, N, H)
    key, value : arrays of shape (B, S, K, H), or (S, K, H), of the dtype of ``query``
    bias : array that broadcasts to (B, N, T, S), added to the logits
    mask : boolean array that broadcasts to (B, N, T, S): what may be attended to
    scale : number that multiplies the logits, by default ``1 / sqrt(H)``
    is_causal : whether position t attends to positions up to t only
    query_seq_lengths, key_value_seq_lengths : int32 arrays of shape (B,): how much of each sequence is not padding
    local_window_size : int or pair of int (left, right): how far from its own a position attends to
    implementation : None or "xla"; "cudnn" is not there
    return_residual : whether to answer the logsumexp of the logits, of shape (B, T, N), too; it has no derivative

    Returns
    -------
    array like ``query``, or a pair of arrays
        The softmax is computed in float32.

    References
    ----------
    Vaswani et al. 2017, arXiv:1706.03762; for groups Ainslie et al. 2023, arXiv:2305.13245.

    Examples
    --------
    >>> ferax.nn.dot_product_attention(jnp.ones((2, 5, 4, 8)), jnp.ones((2, 6, 2, 8)), jnp.ones((2, 6, 2, 8))).shape
    (2, 5, 4, 8)
    """
    if implementation == "cudnn":
        raise NotImplementedError("dot_product_attention: implementation='cudnn' is not there; use None or 'xla'")
    if implementation not in (None, "xla"):
        raise ValueError(f"Unsupported implementation option: {implementation}")
    query, key, value = [ensure_arraylike("dot_product_attention", x) for x in (query, key, value)]
    out_shape = query.shape
    query, key, value = [_with_batch(x) for x in (query, key, value)]
    bias, mask = [None if x is None else _with_batch(ensure_arraylike("dot_product_attention", x)) for x in (bias, mask)]
    q_lengths, kv_lengths = [None if x is None else ensure_arraylike("dot_product_attention", x)
                             for x in (query_seq_lengths, key_value_seq_lengths)]
    if isinstance(local_window_size, int):
        local_window_size = (local_window_size, local_window_size)
    _check(key, [-1] * 4, None, "key")
    b, s, k, h = key.shape
    _check(value, [b, s, k, h], key.dtype, "value")
    _check(query, [b, -1, -1, h], key.dtype, "query")
    _check(mask, [-1] * 4, dtypes.bool_, "mask")
    _check(bias, [-1] * 4, None, "bias")
    _check(q_lengths, [b], _int32, "query_seq_lengths")
    _check(kv_lengths, [b], _int32, "key_value_seq_lengths")
    if query.shape[2] % k:
        raise ValueError("The number of query heads must be a multiple of key/value heads, but got "
                         f"{query.shape[2]} vs {k}")
    scale = 1.0 / math.sqrt(h) if scale is None else scale
    traced_scale = scale if isinstance(scale, Array) else None
    out = _attention(query, key, value, bias, mask, q_lengths, kv_lengths, traced_scale,
                     scale=float(scale) if traced_scale is None else None, is_causal=bool(is_causal),
                     window=None if local_window_size is None else tuple(local_window_size),
                     with_residual=bool(return_residual))
    if return_residual:
        return reshape(out[0], out_shape), reshape(out[1], out_shape[:-1])
    return reshape(out, out_shape)
