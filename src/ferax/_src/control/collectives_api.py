"""The collectives that users call: axis names checked, pytrees, and the forms that are made of others."""

from __future__ import annotations

import math

import numpy as np

from ferax._src.control import collectives as prims
from ferax._src.control.collectives import size_of_axis
from ferax._src.control.ragged_all_to_all import ragged_all_to_all_p
from ferax._src.control.varying import vary
from ferax._src.ops.broadcasting import reduce_sum
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import add, div, mul
from ferax._src.ops.reduce import reduce_max, reduce_min
from ferax._src.ops.static import normalize_axis
from ferax._src.tracing.core import Array
from ferax._src.types import dtypes
from ferax._src.types.avals import aval_of
from ferax._src.types.pytrees import tree_flatten, tree_map, tree_unflatten
from ferax._src.util import config
from ferax._src.util.tracebacks import api_boundary


# --- axis names -----------------------------------------------------------------------------------

def axis_names(axis_name, who: str) -> tuple[tuple, tuple[int, ...]]:
    """Names and positions among the axes given; all names must be bound."""
    given = tuple(axis_name) if isinstance(axis_name, (tuple, list, frozenset)) else (axis_name,)
    names = tuple([n for n in given if not isinstance(n, int)])
    for name in names:
        size_of_axis(name, who)
    return names, tuple([n for n in given if isinstance(n, int)])


def _groups(axis_index_groups, who: str):
    """Groups as tuples of ints."""
    if axis_index_groups is None:
        return None
    groups = tuple([tuple(map(int, group)) for group in axis_index_groups])
    indices = sorted(i for group in groups for i in group)
    if len({len(group) for group in groups}) != 1 or indices != list(range(len(indices))):
        raise ValueError(f"{who}: axis_index_groups must be groups of one size that hold every index of the axis once; got {groups}")
    return groups


def _size(name, axis_index_groups, who: str) -> int:
    """The number of places that take part: of the axis, or of a group."""
    size = size_of_axis(name, who)
    groups = _groups(axis_index_groups, who)
    return size if groups is None else len(groups[0])


@api_boundary
def axis_size(axis_name) -> int:
    """The size of a named axis; of several, their product."""
    names = axis_name if isinstance(axis_name, (tuple, list)) else (axis_name,)
    return math.prod(size_of_axis(name, "axis_size") for name in names)


@api_boundary
def axis_index(axis_name):
    """The place of the present example along a named axis, int32; along several, counted with the last one fastest."""
    names = axis_name if isinstance(axis_name, (tuple, list)) else (axis_name,)
    index = None
    for name in names:
        size = size_of_axis(name, "axis_index")
        here = vary(prims.axis_index_p.bind(axis_name=name)[0], (name,))
        index = here if index is None else add(mul(index, np.int32(size)), here)
    return as_array(0) if index is None else index


# --- reductions -----------------------------------------------------------------------------------

def _reduce(primitive, x, axis_name, axis_index_groups, positional):
    names, positions = axis_names(axis_name, primitive.name)
    leaves, tree = tree_flatten(x)
    if positions:
        leaves = [positional(v, tuple([normalize_axis(p, aval_of(v).ndim) for p in positions])) for v in leaves]
    groups = _groups(axis_index_groups, primitive.name)
    leaves = [vary(x, names) for x in leaves]
    if primitive is prims.psum_p and groups is None:
        tracked = tuple([n for n in names if n in config.varying_axes.value])
        names = tuple([n for n in names if n not in tracked])
        if tracked and leaves:
            leaves = prims.psum_invariant_p.bind(*leaves, axes=tracked, axis_index_groups=None)
    if names and leaves:
        leaves = primitive.bind(*leaves, axes=names, axis_index_groups=groups)
    return tree_unflatten(tree, leaves)


@api_boundary
def psum(x, axis_name, *, axis_index_groups=None):
    """The sum of ``x`` over named axes.

    Parameters
    ----------
    x : pytree of arrays. The sum of a Python number is a Python number: ``psum(1, 'i')`` is the size of the axis
    axis_name : name, or tuple of names (or of positions, for axes of ``x`` itself)
    axis_index_groups : lists of places, of one length, that are summed among themselves

    Returns
    -------
    pytree like ``x``; the same for all

    Examples
    --------
    >>> ferax.vmap(lambda x: x / lax.psum(x, 'i'), axis_name='i')(jnp.array([1., 3.]))
    Array([0.25, 0.75], dtype=float32)
    """
    leaves, tree = tree_flatten(x)
    names, positions = axis_names(axis_name, "psum")
    groups = _groups(axis_index_groups, "psum")
    size = len(groups[0]) if groups else math.prod(size_of_axis(n, "psum") for n in names)
    numbers = [not positions and type(v) in (int, float, complex, bool) for v in leaves]
    arrays = [convert(v, np.dtype(np.int32)) if aval_of(v).dtype == np.bool_ else v for v, known in zip(leaves, numbers) if not known]
    sums = iter(_reduce(prims.psum_p, arrays, axis_name, axis_index_groups, reduce_sum))
    return tree_unflatten(tree, [next(sums) if not known else np.int32(size * v) if type(v) is bool else size * v
                                 for v, known in zip(leaves, numbers)])


@api_boundary
def pmean(x, axis_name, *, axis_index_groups=None):
    """The mean of ``x`` over named axes; arguments as for `psum`."""
    total = psum(x, axis_name, axis_index_groups=axis_index_groups)
    count = psum(1, axis_name, axis_index_groups=axis_index_groups) if not _positions(axis_name) else None

    def mean(total_leaf, leaf):
        n = count if count is not None else _count(leaf, axis_name)
        if not isinstance(total_leaf, Array):
            return total_leaf / n
        dtype = total_leaf.dtype
        if not dtypes.issubdtype(dtype, np.inexact):
            total_leaf = convert(total_leaf, dtypes.to_inexact_dtype(dtype))
        return div(total_leaf, total_leaf.dtype.type(n))

    return tree_map(mean, total, x)


def _positions(axis_name) -> tuple:
    given = axis_name if isinstance(axis_name, (tuple, list)) else (axis_name,)
    return tuple([n for n in given if isinstance(n, int)])


def _count(leaf, axis_name) -> int:
    names, positions = axis_names(axis_name, "pmean")
    shape = aval_of(leaf).shape
    return math.prod(size_of_axis(n, "pmean") for n in names) * math.prod(shape[p] for p in positions)


@api_boundary
def pmax(x, axis_name, *, axis_index_groups=None):
    """The largest of the values of ``x`` along named axes, element by element; arguments as for `psum`."""
    return _reduce(prims.pmax_p, x, axis_name, axis_index_groups, reduce_max)


@api_boundary
def pmin(x, axis_name, *, axis_index_groups=None):
    """The least of the values of ``x`` along named axes, element by element; arguments as for `psum`."""
    return _reduce(prims.pmin_p, x, axis_name, axis_index_groups, reduce_min)


# --- moving data ----------------------------------------------------------------------------------

@api_boundary
def all_gather(x, axis_name, *, axis_index_groups=None, axis: int = 0, tiled: bool = False, to: str = "varying"):
    """The values of ``x`` along a named axis, for everyone.

    Parameters
    ----------
    x : pytree of arrays
    axis_name : name, or tuple of names: the last one varies fastest
    axis_index_groups : lists of places, of one length: each group by itself
    axis : the dimension of the result along which the values lie
    tiled : join them along an existing dimension instead of stacking them along a new one
    to : accepted; how mesh axes are typed

    Returns
    -------
    pytree of arrays
    """
    names, _ = axis_names(axis_name, "all_gather")

    def one(leaf):
        k = normalize_axis(axis, aval_of(leaf).ndim + (not tiled))
        leaf = vary(leaf, names)
        for i, name in enumerate(reversed(names)):
            (leaf,) = prims.all_gather_p.bind(
                leaf, all_gather_dimension=k, axis_name=(name,), axis_index_groups=_groups(axis_index_groups, "all_gather"),
                axis_size=_size(name, axis_index_groups, "all_gather"), tiled=tiled)
            if i and not tiled:
                leaf = prims.merge(leaf, k)
        return leaf

    return tree_map(one, x)


@api_boundary
def psum_scatter(x, axis_name, *, scatter_dimension: int = 0, axis_index_groups=None, tiled: bool = False):
    """The sum over a named axis, of which each gets its part: `psum`, then a slice.

    Parameters
    ----------
    x : pytree of arrays
    axis_name : name, or tuple of names: the last one varies fastest
    scatter_dimension : the dimension that is parted; its size is that of the axis or, ``tiled``, a multiple of it
    axis_index_groups : lists of places, of one length: each group by itself
    tiled : keep the dimension, with its part; otherwise it goes

    Returns
    -------
    pytree of arrays
    """
    names, _ = axis_names(axis_name, "psum_scatter")

    def one(leaf):
        k = normalize_axis(scatter_dimension, aval_of(leaf).ndim, "scatter_dimension")
        sizes = [_size(name, axis_index_groups, "psum_scatter") for name in names]
        leaf = vary(leaf, names)
        for i, (name, size) in enumerate(zip(names, sizes)):
            if not tiled and i + 1 < len(names):        # the dimension holds all axes, the first one outermost
                leaf = prims.cut(leaf, k, size)
            (leaf,) = prims.reduce_scatter_p.bind(leaf, scatter_dimension=k, axis_name=(name,), axis_size=size, tiled=tiled,
                                                  axis_index_groups=_groups(axis_index_groups, "psum_scatter"))
        return leaf

    return tree_map(one, x)


@api_boundary
def all_to_all(x, axis_name, split_axis: int, concat_axis: int, *, axis_index_groups=None, tiled: bool = False):
    """Cut ``x`` along a dimension, give each its part, and join what comes in along another.

    Parameters
    ----------
    x : pytree of arrays
    axis_name : name, or tuple of names: the last one varies fastest
    split_axis : dimension that is cut; its size is that of the axis or, ``tiled``, a multiple of it
    concat_axis : dimension along which parts are stacked or, ``tiled``, joined
    axis_index_groups : lists of places, of one length: each group by itself
    tiled : whether the two dimensions stay

    Returns
    -------
    pytree of arrays
    """
    names, _ = axis_names(axis_name, "all_to_all")
    groups = _groups(axis_index_groups, "all_to_all")
    size = len(groups[0]) if groups else math.prod(size_of_axis(name, "all_to_all") for name in names)

    def one(leaf):
        ndim = aval_of(leaf).ndim
        (out,) = prims.all_to_all_p.bind(
            vary(leaf, names), split_axis=normalize_axis(split_axis, ndim, "split_axis"),
            concat_axis=normalize_axis(concat_axis, ndim, "concat_axis"),
            axis_name=names[0] if len(names) == 1 else names, axis_index_groups=groups, axis_size=size, tiled=tiled)
        return out

    return tree_map(one, x)


@api_boundary
def ppermute(x, axis_name, perm):
    """Send values from place to place along a named axis.

    Parameters
    ----------
    x : pytree of arrays
    axis_name : name, or tuple of names: the last one varies fastest
    perm : list of (source, destination); each place at most once as either. Who gets nothing has zeros

    Returns
    -------
    pytree like ``x``
    """
    names, _ = axis_names(axis_name, "ppermute")
    perm = _checked_perm("ppermute", axis_name, names, perm)
    return tree_map(lambda leaf: prims.ppermute_p.bind(vary(leaf, names), axis_name=names, perm=perm)[0], x)


def _checked_perm(who: str, axis_name, names, perm) -> tuple:
    size = math.prod(size_of_axis(n, who) for n in names)
    perm = tuple([(int(s), int(d)) for s, d in perm])
    for what, places in (("sources", [s for s, _ in perm]), ("destinations", [d for _, d in perm])):
        if len(set(places)) != len(places):
            raise ValueError(f"{who} sources and destinations must be unique, got {perm}")
        if any(not 0 <= p < size for p in places):
            raise ValueError(f"{who}: {what} must be between 0 and {size - 1}, the axis {axis_name!r} has size {size}; got {perm}")
    return perm


@api_boundary
def pshuffle(x, axis_name, perm):
    """Permute values along a named axis: place i gets the value of place ``perm[i]``."""
    names, _ = axis_names(axis_name, "pshuffle")
    perm = [int(p) for p in perm]
    if sorted(perm) != list(range(math.prod(size_of_axis(n, "pshuffle") for n in names))):
        raise ValueError(f"`perm` does not represent a permutation: {perm}")
    return ppermute(x, axis_name, list(zip(perm, range(len(perm)))))


@api_boundary
def pswapaxes(x, axis_name, axis: int, *, axis_index_groups=None):
    """Swap a named axis with dimension ``axis`` of ``x``, whose sizes must be equal."""
    return all_to_all(x, axis_name, axis, axis, axis_index_groups=axis_index_groups)


@api_boundary
def ragged_all_to_all(operand, output, input_offsets, send_sizes, output_offsets, recv_sizes, *, axis_name, axis_index_groups=None):
    """Send slices of rows, of sizes that are computed, to all places along a named axis, and write what comes in into ``output``.

    With P places, each sends K slices: slice i, ``operand[input_offsets[i]:input_offsets[i] + send_sizes[i]]``, goes to place
    ``i // (K // P)``, and is written there from row ``output_offsets[i]`` on.

    Parameters
    ----------
    operand : array, shape (N, ...)
    output : array, shape (M, ...) and dtype of ``operand``
    input_offsets, send_sizes, output_offsets, recv_sizes : integer arrays, shape (K,). ``recv_sizes`` are the sizes of what comes in:
        ``all_to_all(send_sizes, axis_name, 0, 0, tiled=True)``
    axis_name : name
    axis_index_groups : lists of places, of one length: each group by itself

    Returns
    -------
    array, shape (M, ...): ``output`` with the rows that came in. Slices must not overlap where they arrive

    Raises
    ------
    ValueError : if shapes or dtypes do not fit together, or K is not a multiple of the number of places.

    Notes
    -----
    In reverse mode a row that is sent to several places gets the cotangent of one of them.
    """
    names, _ = axis_names(axis_name, "ragged_all_to_all")
    if len(names) != 1:
        raise NotImplementedError(f"ragged_all_to_all over several axes, {names}, is not supported. Map over one axis of their joint size.")
    args = [vary(as_array(x), names) for x in (operand, output, input_offsets, send_sizes, output_offsets, recv_sizes)]
    size = _size(names[0], axis_index_groups, "ragged_all_to_all")
    (out,) = ragged_all_to_all_p.bind(*args, axis_name=names[0], axis_index_groups=_groups(axis_index_groups, "ragged_all_to_all"),
                                      axis_size=size)
    return out


@api_boundary
def psend(x, axis_name, perm):
    """Send ``x`` to other places of a named mesh axis; the other half is `precv`.

    Raises
    ------
    NotImplementedError : under ``vmap``, and on platforms without point-to-point communication: there a send by itself has
        no meaning. `ppermute` does both halves.
    """
    _half_of_ppermute("psend", axis_name, perm)


@api_boundary
def precv(token, out_shape, axis_name, perm):
    """Receive what `psend` sent; see there."""
    _half_of_ppermute("precv", axis_name, perm)


def _half_of_ppermute(name: str, axis_name, perm):
    names, _ = axis_names(axis_name, name)
    _checked_perm(name, axis_name, names, perm)
    raise NotImplementedError(f"{name}: sending and receiving as two operations is for devices that talk to each other directly; it is not "
                              "defined under vmap, nor on this platform. Use lax.ppermute, which does both.")


@api_boundary
def pbroadcast(x, axis_name, source: int):
    """The value of place ``source`` along a named axis, for everyone.

    Parameters
    ----------
    x : pytree of arrays
    axis_name : name
    source : int
    """
    size = size_of_axis(axis_name, "pbroadcast")
    source = normalize_axis(source, size, "source")
    return tree_map(lambda leaf: prims.pbroadcast_p.bind(vary(leaf, (axis_name,)), axis_name=axis_name, source=source)[0], x)


@api_boundary
def pcast(x, axis_name, *, to: str):
    """``x``, from now on said to vary along mesh axes; where types do not keep track of that there is nothing to say.

    Parameters
    ----------
    x : pytree of arrays
    axis_name : name, or tuple of names
    to : 'varying'

    Raises
    ------
    ValueError : if a value varies along such an axis already, or for another ``to``.
    """
    if to not in ("varying", "reduced", "unreduced"):
        raise ValueError("pcast: got an unexpected `to` value. Allowed `to` values are 'varying', 'unreduced', 'reduced'; "
                         f"got {to!r}")
    if to != "varying":
        raise NotImplementedError(f"pcast: partial sums as types (to={to!r}) are not supported; add up with lax.psum")
    names, _ = axis_names(axis_name, "pcast")

    def one(leaf):
        leaf = as_array(leaf)
        if not leaf.aval.varying.isdisjoint(names):
            raise ValueError(f"Unsupported pcast from=varying, to='varying': the value of type {leaf.aval} varies along {axis_name!r}")
        return vary(leaf, names)

    return tree_map(one, x)
