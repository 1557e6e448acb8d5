"""Reductions over windows written with NumPy, one window after the other: what the tests compare with."""

import itertools

import numpy as np

KEYS = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")


def window(dimensions, strides=None, padding=None, base=None, dilation=None) -> dict:
    """The parameters of a primitive over windows."""
    n = len(dimensions)
    ones = (1,) * n
    return dict(zip(KEYS, (dimensions, strides or ones, padding or ((0, 0),) * n, base or ones, dilation or ones)))


def counts(shape, w) -> tuple:
    """How many windows there are in each dimension."""
    out = []
    for n, size, stride, (low, high), base, dilation in zip(shape, *[w[key] for key in KEYS]):
        length = (n - 1) * base + 1 if n else 0
        out.append(max((length + low + high - (size - 1) * dilation - 1) // stride + 1, 0))
    return tuple(out)


def places(shape, w):
    """For each window, in order: its index, and the indices of the elements it sees, in order."""
    for index in np.ndindex(*counts(shape, w)):
        rows = []
        for i, n, size, stride, (low, _), base, dilation in zip(index, shape, *[w[key] for key in KEYS]):
            at = i * stride + np.arange(size) * dilation - low
            rows.append([int(a) // base for a in at if a >= 0 and a % base == 0 and a // base < n])
        yield index, list(itertools.product(*rows))


def reduced(x, init, combine, w):
    """``combine`` over what each window sees, beginning with ``init``."""
    out = np.full(counts(x.shape, w), init, x.dtype)
    for index, seen in places(x.shape, w):
        for place in seen:
            out[index] = combine(out[index], x[place])
    return out


def selected(x, stays, w, worst=None):
    """For each window the place of the element that is not beaten, or None.

    ``stays(earlier, later)`` says whether the earlier one stays. With ``worst`` the windows begin with that value, at no place.
    """
    for index, seen in places(x.shape, w):
        best, at = worst, None
        for place in seen:
            if best is None or not stays(best, x[place]):
                best, at = x[place], place
        yield index, at


def gathered(t, x, stays, w, worst):
    """For each window the element of ``t`` where the selected one of ``x`` is."""
    out = np.zeros(counts(x.shape, w), t.dtype)
    for index, at in selected(x, stays, w, worst):
        out[index] = 0 if at is None else t[at]
    return out


def scattered(source, x, stays, w):
    """The elements of ``source`` added up where the selected elements of ``x`` are."""
    out = np.zeros(x.shape, source.dtype)
    for index, at in selected(x, stays, w):
        if at is not None:
            out[at] += source[index]
    return out
