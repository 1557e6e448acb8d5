"""Reduction by any function, along dimensions; what it shares with reduction over windows.

Where the function is one of the known monoids and begins with its neutral element, the monoid's own primitive does the
work. The others are `reduce_p`, which holds the program of the function. Their derivative is that of `fold`: the same
reduction written out, in which neighbours are combined, halves at a time.
"""

from __future__ import annotations

import math

import numpy as np

from ferax._src.control.tracing_utils import flatten_arrays, trace_function
from ferax._src.ir.jaxpr import ClosedJaxpr, Jaxpr
from ferax._src.ops.axes import place_axis
from ferax._src.ops.base import add, add_p
from ferax._src.ops.broadcasting import broadcast_in_dim_p, reduce_sum, reduced_shape
from ferax._src.ops.convert import convert
from ferax._src.ops.cumulative import reduce_prod
from ferax._src.ops.elementwise import max, min, mul
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_or, bitwise_xor
from ferax._src.ops.joining import concatenate_p
from ferax._src.ops.reduce import greatest, least, reduce_and, reduce_max, reduce_min, reduce_or, reduce_xor
from ferax._src.ops.shape import reshape_p
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.placing import placed
from ferax._src.ops.static import as_static_ints
from ferax._src.tracing.core import MappedAxis, Primitive, Tracer, Zero, register
from ferax._src.tracing.evaluate import eval_closed
from ferax._src.transforms.batch import batch_flat, batch_jaxpr
from ferax._src.transforms.jvp import jvp_flat
from ferax._src.types import dtypes, pytrees
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.util.tracebacks import api_boundary, is_boundary

# --- the function as a program ------------------------------------------------------------------


def reducer(name: str, computation, avals, tree):
    """The program of a function of two pytrees of scalars.

    Parameters
    ----------
    name : of the reduction, for errors
    computation : the function
    avals : types of the leaves of one such pytree
    tree : its structure

    Returns
    -------
    jaxpr : ClosedJaxpr, of n running values and n new ones
    out_tree : structure of what the function answers
    """
    if not callable(computation):
        raise TypeError(f"{name}: computation must be a function of two values, got {computation!r}")
    scalars = [ShapedArray((), a.dtype, a.weak_type) for a in avals]
    traced = trace_function(computation, pytrees.treedef_tuple((tree, tree)), [*scalars, *scalars], name)
    closed, out_tree = traced.closed, traced.out_tree
    if any(isinstance(c, Tracer) for c in traced.consts):
        raise NotImplementedError(f"{name}: the function closes over a traced value, which a reduction cannot use")
    if out_tree.num_leaves != len(scalars):
        raise ValueError(f"{name}: the function must answer as many values as there are operands, {len(scalars)}, and answers "
                         f"{out_tree.num_leaves}: {out_tree}")
    for found, wanted in zip(closed.out_avals, scalars):
        if found.shape or found.dtype != wanted.dtype:
            raise TypeError(f"{name}: the function must answer scalars of the dtypes of its arguments, got {found.str_short(False)} "
                            f"for {wanted.str_short(False)}")
    if traced.consts:                           # they are written into the program: reductions have no further operands
        jaxpr, n = closed.jaxpr, len(traced.consts)
        closed = ClosedJaxpr(Jaxpr(jaxpr.invars[:n], jaxpr.invars[n:], jaxpr.outvars, jaxpr.eqns, jaxpr.effects,
                                   jaxpr.debug_info._replace(arg_names=None)), traced.consts)
    return closed, out_tree


def flatten_operands(name: str, operands, init_values):
    """Leaves of both, and their common structure; checked."""
    xs, x_avals, tree = flatten_arrays(operands, name, "operands")
    inits, init_avals, init_tree = flatten_arrays(init_values, name, "init_values")
    if tree != init_tree:
        raise ValueError(f"Operands must have the same tree structure as init_values: {tree} vs. {init_tree}")
    if not xs:
        raise ValueError(f"{name} must have at least one operand.")
    if any(a.shape != x_avals[0].shape for a in x_avals):
        raise TypeError(f"{name}: operands must have the same shape, got {', '.join(str(a.shape) for a in x_avals)}")
    return xs, x_avals, inits, init_avals, tree


def without_boundary(computation):
    """The function that stands behind one of ferax's public names."""
    return getattr(computation, "__wrapped__", computation) if is_boundary(computation) else computation


def is_neutral(init, neutral) -> bool:
    """Whether an initial value is known and is ``neutral(its dtype)``."""
    aval = aval_of(init)
    value = init.concrete_value() if isinstance(init, Tracer) else init
    if value is None or aval.shape or dtypes.kind_of(aval.dtype) not in "biufc":
        return False
    return bool(np.asarray(value) == np.asarray(neutral(aval.dtype)).astype(aval.dtype))


def is_sum(jaxpr: ClosedJaxpr, inits) -> bool:
    """Whether a program adds its two arguments, beginning with zero."""
    eqns, outvars = jaxpr.jaxpr.eqns, jaxpr.jaxpr.outvars
    return (len(eqns) == 1 and len(inits) == 1 and eqns[0].primitive is add_p and eqns[0].outvars == outvars
            and set(eqns[0].invars) == set(jaxpr.jaxpr.invars) and is_neutral(inits[0], lambda dtype: 0))


# --- the reduction written out ------------------------------------------------------------------

def fold(jaxpr: ClosedJaxpr, rows: list, inits=()) -> list:
    """Combine arrays along their first axis by a program of scalars.

    Parameters
    ----------
    jaxpr : of n running values and n new ones
    rows : n arrays of one shape (count, ...)
    inits : n scalars to begin with, or none

    Returns
    -------
    n arrays without the first axis
    """
    shape = aval_of(rows[0]).shape
    count, rest = shape[0], shape[1:]
    if inits:
        first = [broadcast_in_dim_p.bind(i, shape=(1, *rest), broadcast_dimensions=(), sharding=None)[0] for i in inits]
        rows = [concatenate_p.bind(a, b, dimension=0)[0] for a, b in zip(first, rows)]
        count += 1
    while count > 1:
        even = count - count % 2
        firsts, seconds = [[slice_in_dim(x, start, even, 2) for x in rows] for start in (0, 1)]
        combined = _elementwise(jaxpr, firsts, seconds)
        if count % 2:
            combined = [concatenate_p.bind(c, slice_in_dim(x, even, count), dimension=0)[0] for c, x in zip(combined, rows)]
        rows, count = combined, (count + 1) // 2
    return [reshape_p.bind(x, new_sizes=rest, dimensions=None, sharding=None)[0] for x in rows]


def _elementwise(jaxpr: ClosedJaxpr, xs: list, ys: list) -> list:
    """A program of scalars applied to corresponding elements of arrays."""
    shape = aval_of(xs[0]).shape
    size = math.prod(shape)
    program, _ = batch_jaxpr(jaxpr, (0,) * (2 * len(xs)), MappedAxis(size), force_out=True)
    flat = [reshape_p.bind(x, new_sizes=(size,), dimensions=None, sharding=None)[0] for x in (*xs, *ys)]
    return [reshape_p.bind(x, new_sizes=shape, dimensions=None, sharding=None)[0] for x in eval_closed(program, *flat)]


def fold_jvp(fun, primals, tangents, outs) -> list:
    """Tangents of a reduction with results ``outs``, from ``fun``, which writes it out."""
    if all(type(t) is Zero for t in tangents):
        return [Zero.of(x) for x in outs]
    return jvp_flat(fun, primals, tangents)[1]


# --- the primitive ------------------------------------------------------------------------------

class Reduce(Primitive):
    """Combine elements along ``dimensions`` by ``jaxpr``, a program of n running values and n new ones.

    The operands are n arrays of one shape, then n initial values, which must not change what they are combined
    with: it is not specified how often they are.
    """

    name = "reduce"

    def abstract_eval(self, *avals, jaxpr, dimensions):
        n = len(avals) // 2
        xs, inits = avals[:n], avals[n:]
        if any(i.shape for i in inits):
            raise ValueError(f"reduce found non-scalar initial value: {[i.shape for i in inits]}")
        if any(x.dtype != i.dtype for x, i in zip(xs, inits)):
            raise TypeError("reduce operand dtypes should match corresponding initial value dtypes, got "
                            f"operands={list(xs)} and initial_values={list(inits)}")
        shape = reduced_shape(self.name, xs[0], dimensions)
        return [ShapedArray(shape, x.dtype, x.weak_type and i.weak_type) for x, i in zip(xs, inits)]

    def lower(self, ctx, *values, jaxpr, dimensions):
        n = len(values) // 2
        return ctx.reduce(jaxpr, values[:n], values[n:], dimensions)

    def batch(self, axis, args, dims, *, jaxpr, dimensions):
        n = len(args) // 2
        if any(d is not None for d in dims[n:]):
            return batch_flat(lambda *values: _written_out(values, jaxpr, dimensions), args, dims, axis)
        xs = [place_axis(x, d, axis.size, 0) for x, d in zip(args[:n], dims[:n])]
        outs = self.bind(*xs, *args[n:], jaxpr=jaxpr, dimensions=tuple([d + 1 for d in dimensions]))
        return outs, [0] * n

    def jvp(self, primals, tangents, *, jaxpr, dimensions):
        outs = self.bind(*primals, jaxpr=jaxpr, dimensions=dimensions)
        if any(type(t) is not Zero for t in tangents[len(outs):]):
            raise NotImplementedError("reduce has no derivative with respect to initial values: they must not change what they are "
                                      "combined with, and it is not specified how often they are")
        return outs, fold_jvp(lambda *values: _written_out(values, jaxpr, dimensions), primals, tangents, outs)


def _written_out(values, jaxpr, dimensions) -> list:
    n = len(values) // 2
    shape = aval_of(values[0]).shape
    order = (*dimensions, *[i for i in range(len(shape)) if i not in dimensions])
    sizes = (math.prod([shape[i] for i in dimensions]), *[shape[i] for i in order[len(dimensions):]])
    order = None if order == tuple(range(len(shape))) else order
    rows = [reshape_p.bind(x, new_sizes=sizes, dimensions=order, sharding=None)[0] for x in values[:n]]
    return fold(jaxpr, rows, values[n:])


reduce_p = register(Reduce())


# --- the function -------------------------------------------------------------------------------

#: function -> (its reduction, kinds of dtype, the initial value that makes it one)
_MONOIDS = {
    add: (reduce_sum, "iufc", lambda dtype: 0),
    mul: (reduce_prod, "iufc", lambda dtype: 1),
    max: (reduce_max, "biufc", least),
    min: (reduce_min, "biufc", greatest),
    bitwise_or: (reduce_or, "biu", lambda dtype: 0),
    bitwise_xor: (reduce_xor, "biu", lambda dtype: 0),
    bitwise_and: (reduce_and, "biu", lambda dtype: -1),
}


@api_boundary
def reduce(operands, init_values, computation, dimensions, out_sharding=None):
    """Reduce arrays along dimensions by a function.

    Parameters
    ----------
    operands : array, or a pytree of arrays of one shape
    init_values : scalar, or a pytree like ``operands``: neutral elements of the function
    computation : associative, commutative function of two scalars (or two such pytrees)
    dimensions : which ones to reduce, counted from the front
    out_sharding : sharding of the results, or None

    Returns
    -------
    array, or pytree like what ``computation`` answers, without the dimensions
        Sums, products, extrema and logical operations of ``ferax.lax``, begun with their neutral elements, are reduced by their
        own primitives.

    Raises
    ------
    ValueError : if the pytrees differ, an initial value is no scalar, or a dimension is out of bounds.
    TypeError : if dtypes of operands, initial values and results of the function differ.

    Examples
    --------
    >>> reduce(jnp.arange(1, 5), 1, lambda x, y: x * y, (0,))
    Array(24, dtype=int32)
    """
    xs, x_avals, inits, init_avals, tree = flatten_operands("reduce", operands, init_values)
    dimensions = as_static_ints(dimensions, "dimensions")
    reduction = _monoid(computation, x_avals, inits)
    weak = x_avals[0].weak_type and init_avals[0].weak_type
    if reduction is None:
        jaxpr, out_tree = reducer("reduce", computation, init_avals, tree)
        if is_sum(jaxpr, inits) and x_avals[0].dtype == init_avals[0].dtype:
            reduction = reduce_sum
    if reduction is not None:
        out = reduction(xs[0], dimensions)
        outs, out_tree = [convert(out, aval_of(out).dtype, weak)], tree
    else:
        outs = reduce_p.bind(*xs, *inits, jaxpr=jaxpr, dimensions=dimensions)
    if out_sharding is not None:
        outs = [placed(x, out_sharding, "reduce") for x in outs]
    return pytrees.tree_unflatten(out_tree, outs)


def _monoid(computation, x_avals, inits):
    """The reduction that a function and its initial value stand for, or None."""
    try:
        found = _MONOIDS.get(without_boundary(computation))
    except TypeError:                           # a callable that is not hashable
        return None
    if found is None or len(inits) != 1 or aval_of(inits[0]).shape:
        return None
    reduction, kinds, neutral = found
    kind = dtypes.kind_of(aval_of(inits[0]).dtype)
    return reduction if kind in kinds and dtypes.kind_of(x_avals[0].dtype) in kinds and is_neutral(inits[0], neutral) else None
