"""Windows over arrays: what a user says of them, in one checked form; their shapes; their taps.

Along a dimension of n elements a window of w elements moves by the stride s. Base dilation b puts b - 1 neutral
elements between every two of the operand, padding puts more around them (or, if negative, takes some away), and
window dilation d leaves out d - 1 elements between every two that a window sees:

    result i sees the elements  i s + t d - low  of the dilated operand, for the taps t = 0, ..., w - 1

These are the parameters of all primitives over windows: ``window_dimensions`` (w), ``window_strides`` (s),
``padding`` (low, high), ``base_dilation`` (b) and ``window_dilation`` (d), with an entry for each dimension. A
dictionary of them is called a *window* here.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from ferax._src.ops.base import add
from ferax._src.ops.compare import eq
from ferax._src.ops.conv_numbers import dilated, explicit_pads, padtype_to_pads, window_count
from ferax._src.ops.broadcasting import broadcast_in_dim_p
from ferax._src.ops.select import select
from ferax._src.ops.shape import iota_p, reshape_p
from ferax._src.ops.slicing import pad_p, slice_p
from ferax._src.ops.static import as_static_ints
from ferax._src.types.avals import aval_of

#: Up to how many taps a window may have to be written out tap by tap, where that is a choice.
FEW_TAPS = 25

_ENTRIES = ("window_dimensions", "window_strides", "base_dilation", "window_dilation")
_KEYS = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")


# --- what a user says ---------------------------------------------------------------------------

def canonical_window(name: str, shape, window_dimensions, window_strides, padding, base_dilation, window_dilation) -> dict:
    """A window, checked and in the form that primitives have it in.

    Parameters
    ----------
    name : of the function, for errors
    shape : of the operand
    window_dimensions, window_strides, padding, base_dilation, window_dilation : as given; None stands for ones

    Raises
    ------
    TypeError : if one does not have an entry for each dimension, or an entry is not a positive integer.
    ValueError : if explicit padding does not have a pair for each dimension.
    RuntimeError : if there is no padding of that name.
    """
    ones = (1,) * len(shape)
    given = (window_dimensions, window_strides, base_dilation, window_dilation)
    window = {key: ones if values is None else as_static_ints(values, key) for key, values in zip(_ENTRIES, given)}
    check_entries(name, shape, window)
    if isinstance(padding, str):
        padding = padtype_to_pads(_dilated(shape, window["base_dilation"]), seen(window), window["window_strides"], padding)
    window["padding"] = explicit_pads(name, padding)
    check_padding(name, shape, window["padding"])
    return window


def check_window(name: str, shape, window: dict) -> None:
    """Check a window as a primitive gets it; see `canonical_window`."""
    check_entries(name, shape, window)
    check_padding(name, shape, window["padding"])


def check_padding(name: str, shape, padding) -> None:
    """Check that there is a pair for each dimension."""
    if len(padding) != len(shape):
        raise ValueError(f"{name}: padding must have a pair for each of the {len(shape)} dimensions of the operand, got {padding}")


def check_entries(name: str, shape, window: dict) -> None:
    """Check all of a window but its padding."""
    dimensions = window["window_dimensions"]
    if len(dimensions) != len(shape):
        raise TypeError(f"{name} got the wrong number of window_dimensions for operand: got operand shape {tuple(shape)} with "
                        f"window_dimensions {dimensions}.")
    for key in _ENTRIES:
        if len(window[key]) != len(dimensions):
            raise TypeError(f"{name} got inconsistent {key} and window_dimensions: got {key} {window[key]} and window_dimensions "
                            f"{dimensions}.")
        if any(entry < 1 for entry in window[key]):
            raise TypeError(f"{name} {key} must have every element be strictly positive, got {window[key]}.")


# --- shapes -------------------------------------------------------------------------------------

def _dilated(shape, dilation) -> tuple[int, ...]:
    return tuple(map(dilated, shape, dilation))


def seen(window: dict) -> tuple[int, ...]:
    """How much a window spans in each dimension."""
    return _dilated(window["window_dimensions"], window["window_dilation"])


def padded_shape(shape, window: dict) -> tuple[int, ...]:
    """The shape of an operand with its base dilation and padding."""
    return tuple([max(n + low + high, 0) for n, (low, high) in zip(_dilated(shape, window["base_dilation"]), window["padding"])])


def window_shape(shape, window: dict) -> tuple[int, ...]:
    """How many windows there are in each dimension of an operand of ``shape``."""
    return tuple(map(window_count, padded_shape(shape, window), seen(window), window["window_strides"]))


def reduce_window_shape_tuple(operand_shape, window_dimensions, window_strides, padding, base_dilation=None,
                              window_dilation=None):
    """The shape of a reduction over windows.

    Parameters
    ----------
    operand_shape, window_dimensions, window_strides : a size, a window's size and a stride for each dimension
    padding : a pair (low, high) for each dimension
    base_dilation, window_dilation : an int for each dimension, or None for ones

    Returns
    -------
    tuple of int, how many windows there are in each dimension
    """
    shape = as_static_ints(operand_shape, "operand_shape")
    return window_shape(shape, canonical_window("reduce_window", shape, window_dimensions, window_strides, padding,
                                                base_dilation, window_dilation))


def batched_window(window: dict, d: int) -> dict:
    """The window of an operand with a mapped axis at ``d``, along which it sees one element at a time."""
    return {key: (*entries[:d], (0, 0) if key == "padding" else 1, *entries[d:]) for key, entries in window.items()}


def without_dilation(window: dict) -> dict:
    """A window with all dilations 1."""
    ones = (1,) * len(window["window_dimensions"])
    return {**window, "base_dilation": ones, "window_dilation": ones}


def without_padding(window: dict) -> dict:
    """A window over an operand that has been dilated and padded."""
    ones = (1,) * len(window["window_dimensions"])
    return {**window, "base_dilation": ones, "padding": ((0, 0),) * len(ones)}


def window_attributes(ctx, window: dict) -> dict:
    """The attributes of StableHLO's ``reduce_window``."""
    names = {"window_dimensions": "window_dimensions", "window_strides": "window_strides",
             "base_dilation": "base_dilations", "window_dilation": "window_dilations"}
    attributes = {name: ctx.i64s(window[key]) for key, name in names.items()}
    return {**attributes, "padding": ctx.i64_tensor(np.reshape(window["padding"], (-1, 2)))}


# --- taps ---------------------------------------------------------------------------------------

def taps_of(window: dict) -> list[tuple[int, ...]]:
    """Where the taps of a window are, counted from its first corner; the last dimension runs fastest."""
    return list(itertools.product(*[range(0, w * d, d) for w, d in zip(window["window_dimensions"], window["window_dilation"])]))


def padded(x, value, window: dict):
    """``x`` with base dilation and padding, filled with the scalar ``value``."""
    config = tuple([(low, high, b - 1) for (low, high), b in zip(window["padding"], window["base_dilation"])])
    if all(entry == (0, 0, 0) for entry in config):
        return x
    shape = aval_of(x).shape
    excess = [min(n + low + high, 0) for n, (low, high) in zip(_dilated(shape, window["base_dilation"]), window["padding"])]
    config = tuple([(low, high - e, b) for (low, high, b), e in zip(config, excess)])     # not less than nothing
    return pad_p.bind(x, value, padding_config=config)[0]


def unpadded(x, shape, window: dict):
    """The transpose of `padded`: the elements that came from an operand of ``shape``, zeros for those that were cut off."""
    low, high = zip(*window["padding"]) if window["padding"] else ((), ())
    if min(low, default=0) < 0 or min(high, default=0) < 0:
        config = tuple([(max(-a, 0), max(-b, 0), 0) for a, b in window["padding"]])
        (x,) = pad_p.bind(x, aval_of(x).dtype.type(0), padding_config=config)
    starts = tuple([max(a, 0) for a in low])
    limits = tuple([start + n for start, n in zip(starts, _dilated(shape, window["base_dilation"]))])
    given = aval_of(x).shape
    strides = window["base_dilation"]
    if starts == (0,) * len(starts) and limits == given and set(strides) <= {1}:
        return x
    return slice_p.bind(x, start_indices=starts, limit_indices=limits, strides=strides)[0]


def seen_through(x, tap, counts, strides):
    """What the windows of a padded array see through one of their taps.

    Parameters
    ----------
    x : array
    tap : its place from a window's first corner
    counts : number of windows in each dimension
    strides : by which they move
    """
    limits = tuple([t + (n - 1) * s + 1 if n else t for t, n, s in zip(tap, counts, strides)])
    return slice_p.bind(x, start_indices=tuple(tap), limit_indices=limits, strides=tuple(strides))[0]


def reduce_slices(x, neutral, combine, window: dict):
    """A reduction over windows, written with slices of the operand.

    Parameters
    ----------
    x : array
    neutral : what padding and the places between dilated elements hold
    combine : of two arrays
    window : dict

    Notes
    -----
    With base dilation b and strides s, windows fall into ``g = b / gcd(b, s)`` phases: those of one phase see elements through the
    same taps, ``g s / b`` elements further from one to the next. Each phase combines slices, one for each of these taps.
    """
    shape = aval_of(x).shape
    counts = window_shape(shape, window)
    if not counts:
        return x
    options = []                                # for each dimension: [(phase, tap's start, ...), ...]
    groups, steps = [], []
    for w, s, (low, _), b, d in zip(*[window[key] for key in _KEYS]):
        g = b // math.gcd(b, s)
        starts = [[(a * s + t * d - low) // b for t in range(w) if (a * s + t * d - low) % b == 0] for a in range(g)]
        options.append(starts)
        groups.append(g)
        steps.append(g * s // b)
    rows = [-(-n // g) for n, g in zip(counts, groups)]
    before = [max([-start for starts in o for start in starts] + [0]) for o in options]
    after = [max([start + (r - 1) * step + 1 - n for starts in o for start in starts] + [0])
             for o, r, step, n in zip(options, rows, steps, shape)]
    if any(before) or any(after):
        (x,) = pad_p.bind(x, neutral, padding_config=tuple([(low, high, 0) for low, high in zip(before, after)]))
    phases: dict = {}
    found: dict = {}                            # phases that see the same share it
    for phase in itertools.product(*map(range, groups)):
        taps = tuple(itertools.product(*[o[a] for o, a in zip(options, phase)]))
        if taps not in found:
            total = None
            for starts in taps:
                term = seen_through(x, [start + low for start, low in zip(starts, before)], rows, steps)
                total = term if total is None else combine(total, term)
            found[taps] = _filled(neutral, rows) if total is None else total
        phases[phase] = found[taps]
    return _first(interleaved(phases, groups), counts)


def _filled(value, shape):
    return broadcast_in_dim_p.bind(value, shape=tuple(shape), broadcast_dimensions=(), sharding=None)[0]


def _first(x, shape):
    """The first elements of an array, as many as ``shape`` says."""
    if aval_of(x).shape == tuple(shape):
        return x
    return slice_p.bind(x, start_indices=(0,) * len(shape), limit_indices=tuple(shape), strides=None)[0]


def sees_padding(shape, tap, counts, window: dict) -> list:
    """Which windows see through a tap no element of an operand of ``shape``: masks, one for each dimension where any do.

    Each has sizes of 1 but along its dimension.
    """
    masks = []
    for d, (n, t, count) in enumerate(zip(shape, tap, counts)):
        low, b = window["padding"][d][0], window["base_dilation"][d]
        place = np.arange(count) * window["window_strides"][d] + t - low
        missing = (place < 0) | (place >= dilated(n, b)) | (place % b != 0)
        if missing.any():
            masks.append(missing.reshape([count if i == d else 1 for i in range(len(shape))]))
    return masks


def interleaved(parts: dict, strides):
    """One array of many: element q of part a goes to place ``q * strides + a``.

    Parameters
    ----------
    parts : {a: array}, with all a that are less than ``strides`` in each dimension, and arrays of one shape
    strides : tuple of int
    """
    first, *others = parts.values()
    if all(x is first for x in others):
        return _repeated(first, strides)
    for d in reversed(range(len(strides))):
        s, merged = strides[d], {}
        if s == 1:
            parts = {a[:-1]: x for a, x in parts.items()}
            continue
        rest = list(itertools.product(*map(range, strides[:d])))
        rows = {a: [parts[*a, k] for k in range(s)] for a in rest}
        for xs in rows.values():                # phases may be one array; then so is what is made of them
            if tuple(map(id, xs)) not in merged:
                merged[tuple(map(id, xs))] = _merged(xs, d)
        parts = {a: merged[tuple(map(id, xs))] for a, xs in rows.items()}
    return parts[()]


def _repeated(x, counts):
    """Each element as often as ``counts`` say along each dimension."""
    shape = aval_of(x).shape
    spread: list = []
    dims = []
    for n, count in zip(shape, counts):
        dims.append(len(spread))
        spread += [n] if count == 1 else [n, count]
    if len(spread) == len(shape):
        return x
    (x,) = broadcast_in_dim_p.bind(x, shape=tuple(spread), broadcast_dimensions=tuple(dims), sharding=None)
    return reshape_p.bind(x, new_sizes=tuple([n * c for n, c in zip(shape, counts)]), dimensions=None, sharding=None)[0]


def _merged(xs, d: int):
    # Each is repeated to the full size and a comparison of indices chooses: that goes with what comes before into one
    # loop, while stacking and transposing would write everything out in between.
    s, shape = len(xs), aval_of(xs[0]).shape
    spread = (*shape[:d + 1], s, *shape[d + 1:])
    dims = tuple([i + (i > d) for i in range(len(shape))])
    different = xs[:1] if all(x is xs[0] for x in xs) else xs
    wide = [broadcast_in_dim_p.bind(x, shape=spread, broadcast_dimensions=dims, sharding=None)[0] for x in different]
    (index,) = iota_p.bind(dtype=np.dtype(np.int32), shape=spread, dimension=d + 1, sharding=None)
    out = wide[-1]
    for k in reversed(range(len(wide) - 1)):
        out = select(eq(index, np.int32(k)), wide[k], out)
    return reshape_p.bind(out, new_sizes=(*shape[:d], shape[d] * s, *shape[d + 1:]), dimensions=None, sharding=None)[0]


def spread_over_taps(pick, counts, window: dict, size):
    """Give each window's value to its taps and add up: the array y with ``y[i s + t] = sum of pick(t)[i]``.

    Parameters
    ----------
    pick : ``(number of the tap, starts, sizes) -> array``; a slice of what windows give to that tap, taken from arrays
        to which `room` has been added, so that windows outside of the range give zero
    counts : number of windows in each dimension
    window : without padding and base dilation
    size : shape of y; at least what the windows reach

    Notes
    -----
    A place belongs to one of the phases ``a = t mod s``, and what it gets comes from the windows ``q - t // s``. So each phase
    is a sum of plain slices, and y interleaves the phases. Taps are taken from the last to the first: then the terms of each
    sum come in the order of the windows.
    """
    strides = window["window_strides"]
    rows = tuple([-(-n // s) for n, s in zip(size, strides)])
    reach = _reach(window)
    phases: dict = {}
    for number, tap in reversed(list(enumerate(taps_of(window)))):
        phase = tuple([t % s for t, s in zip(tap, strides)])
        starts = tuple([r - t // s for r, t, s in zip(reach, tap, strides)])
        term = pick(number, starts, rows)
        phases[phase] = term if phase not in phases else add(phases[phase], term)
    any_term = next(iter(phases.values()))
    for phase in itertools.product(*map(range, strides)):
        if phase not in phases:                 # between windows that leave gaps
            aval = aval_of(any_term)
            phases[phase] = _filled(aval.dtype.type(0), aval.shape)
    return _first(interleaved(phases, strides), size)


def room(x, value, counts, window: dict, size):
    """``x``, one element for each window, with ``value`` around it for `spread_over_taps`."""
    rows = [-(-n // s) for n, s in zip(size, window["window_strides"])]
    config = tuple([(r, max(q - n, 0), 0) for r, q, n in zip(_reach(window), rows, counts)])
    return pad_p.bind(x, value, padding_config=config)[0]


def _reach(window: dict) -> list[int]:
    return [(n - 1) // s for n, s in zip(seen(window), window["window_strides"])]
