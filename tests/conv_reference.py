"""Convolution written plainly in NumPy, in the precision of its operands: what the tests of convolutions compare with."""

import numpy as np


def dilate(x, dilations):
    """``x``, its first two axes left alone, with zeros between the elements along the others."""
    shape = x.shape[:2] + tuple([(n - 1) * d + 1 if n else 0 for n, d in zip(x.shape[2:], dilations)])
    out = np.zeros(shape, x.dtype)
    out[(..., *[slice(None, None, d) for d in dilations])] = x
    return out


def pad(x, pads):
    """``x`` with zeros around it along all but its first two axes; negative padding cuts off, or leaves nothing but zeros."""
    for axis, (low, high) in enumerate(pads, 2):
        n = x.shape[axis]
        out = np.zeros((*x.shape[:axis], n + low + high, *x.shape[axis + 1:]), x.dtype)
        start, stop = min(max(0, -low), n), max(min(n, n + high), 0)
        if start < stop:
            whole = (slice(None),) * axis
            out[(*whole, slice(start + low, stop + low))] = x[(*whole, slice(start, stop))]
        x = out
    return x


def same_pads(sizes, windows, strides, upper=True):
    """By the definition: as little padding as gives ``ceil(size / stride)`` windows."""
    pads = []
    for n, k, s in zip(sizes, windows, strides):
        total = 0
        while max((n + total - k) // s + 1, 0) < -(-n // s):
            total += 1
        half = (total // 2, total - total // 2)
        pads.append(half if upper else half[::-1])
    return pads


def conv(lhs, rhs, strides, pads, lhs_dilation=None, rhs_dilation=None, numbers=None, feature_groups=1, batch_groups=1):
    """A convolution; ``numbers`` are three permutations, None for NC.., OI.., NC.. ."""
    n = lhs.ndim - 2
    ones, whole = (1,) * n, tuple(range(n + 2))
    lhs_spec, rhs_spec, out_spec = numbers or (whole,) * 3
    x = pad(dilate(lhs.transpose(lhs_spec), lhs_dilation or ones), pads)
    w = dilate(rhs.transpose(rhs_spec), rhs_dilation or ones)
    spatial = tuple(range(2, n + 2))
    count = [max((a - k) // s + 1, 0) for a, k, s in zip(x.shape[2:], w.shape[2:], strides)]
    if 0 in count:
        out = np.zeros((x.shape[0] // batch_groups, w.shape[0], *count), x.dtype)
        return out.transpose(np.argsort(out_spec))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], spatial) if n else x
    windows = windows[(slice(None), slice(None), *[slice(None, None, s) for s in strides])]         # (N, C, *out, *k)
    groups = max(feature_groups, batch_groups)
    parts = []
    for i, kernel in enumerate(np.split(w, groups)):
        seen = np.split(windows, groups, axis=1)[i] if feature_groups > 1 else np.split(windows, groups)[i]
        part = np.tensordot(seen, kernel, ((1, *range(n + 2, 2 * n + 2)), (1, *spatial)))           # (N, *out, O)
        parts.append(np.moveaxis(part, -1, 1))
    return np.concatenate(parts, axis=1).transpose(np.argsort(out_spec))
