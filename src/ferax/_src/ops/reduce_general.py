"""Reduction by any function. Where it is one of the known monoids, its own primitive does the work."""

from __future__ import annotations

import weakref

import numpy as np

from ferax._src.ir.jaxpr import Literal
from ferax._src.ops.axes import place_axis
from ferax._src.ops.base import Elementwise, add, broadcast_shape
from ferax._src.ops.broadcasting import reduce_sum, reduced_shape
from ferax._src.ops.convert import ConvertElementType, convert
from ferax._src.ops.cumulative import reduce_prod
from ferax._src.ops.elementwise import max, min, mul
from ferax._src.ops.elementwise_bits import bitwise_and, bitwise_or, bitwise_xor
from ferax._src.ops.joining import concatenate_p
from ferax._src.ops.reduce import greatest, least, reduce_and, reduce_max, reduce_min, reduce_or, reduce_xor
from ferax._src.ops.select import SelectN
from ferax._src.ops.shape import reshape_p
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import as_static_ints
from ferax._src.ops.zeros import instantiate_zeros
from ferax._src.tracing.core import Primitive, Tracer, Zero, register
from ferax._src.tracing.staging import has_tracer_consts, trace_to_jaxpr
from ferax._src.types import dtypes, pytrees
from ferax._src.types.avals import ShapedArray, aval_of


class Reduce(Primitive):
    """Combine elements along ``dimensions`` by ``jaxpr``, a program of n running values and n new ones.

    The operands are n arrays of one shape, then n initial values, which must not change what they are combined
    with: it is not specified how often they are.
    """

    name = "reduce"

    def abstract_eval(self, *avals, computation, jaxpr, dimensions):
        n = len(avals) // 2
        xs, inits = avals[:n], avals[n:]
        if any(i.shape for i in inits):
            raise ValueError(f"reduce found non-scalar initial value: {[i.shape for i in inits]}")
        if any(x.shape != xs[0].shape for x in xs):
            raise TypeError(f"reduce: operands must have the same shape, got {', '.join(str(x.shape) for x in xs)}")
        if any(x.dtype != i.dtype for x, i in zip(xs, inits)):
            raise TypeError("reduce operand dtypes should match corresponding initial value dtypes, got "
                            f"operands={list(xs)} and initial_values={list(inits)}")
        shape = reduced_shape(self.name, xs[0], dimensions)
        return [ShapedArray(shape, x.dtype, x.weak_type and i.weak_type) for x, i in zip(xs, inits)]

    def lower(self, ctx, *values, computation, jaxpr, dimensions):
        n = len(values) // 2
        return ctx.reduce(jaxpr, values[:n], values[n:], dimensions)

    def batch(self, axis, args, dims, *, computation, jaxpr, dimensions):
        n = len(args) // 2
        if any(d is not None for d in dims[n:]):
            raise NotImplementedError("reduce: initial values cannot be mapped by vmap; combine them with the result instead")
        xs = [place_axis(x, d, axis.size, 0) for x, d in zip(args[:n], dims[:n])]
        outs = self.bind(*xs, *args[n:], computation=computation, jaxpr=jaxpr,
                         dimensions=tuple([d + 1 for d in dimensions]))
        return outs, [0] * n

    def jvp(self, primals, tangents, **params):
        n = len(primals) // 2
        outs = self.bind(*primals, **params)
        if all(type(t) is Zero for t in tangents):
            return outs, [Zero.of(x) for x in outs]
        if any(type(t) is not Zero for t in tangents[n:]):
            raise NotImplementedError("reduce: the derivative with respect to initial values is not defined: they must not "
                                      "change what they are combined with")
        return outs, _derivative(primals[:n], tangents[:n], outs, params["jaxpr"], params["dimensions"])


# --- the derivative -----------------------------------------------------------------------------

def _derivative(xs, ts, outs, jaxpr, axes) -> list:
    """Tangents of a reduction: halves are combined, values and tangents together, until one is left."""
    n = len(xs)
    shape = aval_of(xs[0]).shape
    kept = tuple([i for i in range(len(shape)) if i not in axes])
    rest = tuple([shape[i] for i in kept])
    count = 1
    for a in axes:
        count *= shape[a]
    if count == 0:
        return [Zero.of(x) for x in outs]
    order = (*axes, *kept)
    dims = None if order == tuple(range(len(shape))) else order
    def flat(x):
        return x if type(x) is Zero else reshape_p.bind(x, new_sizes=(count, *rest), dimensions=dims, sharding=None)[0]
    values = [flat(x) for x in xs]
    tangents = [t if type(t) is Zero else flat(t) for t in ts]
    tangents = [Zero.of(v) if type(t) is Zero else t for v, t in zip(values, tangents)]
    while count > 1:
        half = count // 2
        def cut(x, start, limit):
            return Zero(x.aval.update(shape=(limit - start, *rest))) if type(x) is Zero else slice_in_dim(x, start, limit)
        low, high = [[cut(x, s, s + half) for x in (*values, *tangents)] for s in (0, half)]
        both = _jvp_by_rules(jaxpr, [*low[:n], *high[:n]], [*low[n:], *high[n:]])
        new = [[broadcast_shape(x, (half, *rest)) for x in both[0]],
               [t if type(t) is Zero else broadcast_shape(t, (half, *rest)) for t in both[1]]]
        if count % 2:
            last = [cut(x, count - 1, count) for x in (*values, *tangents)]
            new = [[_append(a, b) for a, b in zip(part, tail)] for part, tail in zip(new, (last[:n], last[n:]))]
        values, tangents = new
        count = half + count % 2
    return [Zero.of(x) if type(t) is Zero else reshape_p.bind(t, new_sizes=rest, dimensions=None, sharding=None)[0]
            for t, x in zip(tangents, outs)]


def _append(a, b):
    if type(a) is Zero and type(b) is Zero:
        return Zero(a.aval.update(shape=(a.shape[0] + 1, *a.shape[1:])))
    return concatenate_p.bind(instantiate_zeros(a), instantiate_zeros(b), dimension=0)[0]


def _jvp_by_rules(closed, primals, tangents):
    """Values and tangents of a program of scalars, applied to arrays element by element.

    This is possible because its equations are elementwise, which is checked: their own rules do it.
    """
    jaxpr = closed.jaxpr
    env = dict(zip(jaxpr.constvars, [(c, Zero.of(c)) for c in closed.consts]))
    env.update(zip(jaxpr.invars, zip(primals, tangents)))

    def read(atom):
        return (atom.val, Zero.of(atom.aval)) if type(atom) is Literal else env[atom]

    for eqn in jaxpr.eqns:
        xs, ts = zip(*map(read, eqn.invars))
        inner = eqn.params.get("jaxpr")
        if eqn.primitive.name == "jit" and inner is not None:
            outs, out_tangents = _jvp_by_rules(inner, xs, ts)
        elif isinstance(eqn.primitive, (Elementwise, SelectN, ConvertElementType)):
            outs, out_tangents = eqn.primitive.jvp(list(xs), list(ts), **eqn.params)
        else:
            raise NotImplementedError("reduce: the derivative is defined for functions made of elementwise operations, and this "
                                      f"one uses {eqn.primitive.name}")
        env.update(zip(eqn.outvars, zip(outs, out_tangents)))
    return [list(part) for part in zip(*map(read, jaxpr.outvars))]


reduce_p = register(Reduce())


# --- the function -------------------------------------------------------------------------------

#: function -> (its reduction, the initial value that makes it one)
_MONOIDS = {
    add: (reduce_sum, "iufc", lambda dtype: 0),
    mul: (reduce_prod, "iufc", lambda dtype: 1),
    max: (reduce_max, "biufc", least),
    min: (reduce_min, "biufc", greatest),
    bitwise_or: (reduce_or, "biu", lambda dtype: 0),
    bitwise_xor: (reduce_xor, "biu", lambda dtype: 0),
    bitwise_and: (reduce_and, "biu", lambda dtype: -1),
}


def reduce(operands, init_values, computation, dimensions, out_sharding=None):
    """Reduce arrays along dimensions by a function.

    Parameters
    ----------
    operands : array, or a pytree of arrays of one shape
    init_values : scalar, or a pytree like ``operands``: neutral elements of the function
    computation : associative, commutative function of two scalars (or two such pytrees)
    dimensions : which ones to reduce, counted from the front
    out_sharding : sharding of the result, or None

    Returns
    -------
    array, or pytree like ``operands``
    """
    xs, tree = pytrees.tree_flatten(operands)
    inits, init_tree = pytrees.tree_flatten(init_values)
    if tree != init_tree:
        raise ValueError(f"Operands must have the same tree structure as init_values: {tree} vs. {init_tree}")
    dimensions = as_static_ints(dimensions, "dimensions")
    monoid = _monoid(computation, xs, inits)
    if monoid is not None:
        out = monoid(xs[0], dimensions)
        return convert(out, aval_of(out).dtype, aval_of(xs[0]).weak_type and aval_of(inits[0]).weak_type)
    avals = tuple([ShapedArray((), aval_of(i).dtype, aval_of(i).weak_type) for i in inits])
    jaxpr, out_tree = _reducer(computation, avals, tree)
    outs = reduce_p.bind(*xs, *inits, computation=computation, jaxpr=jaxpr, dimensions=dimensions)
    return pytrees.tree_unflatten(out_tree, outs)


def _monoid(computation, xs, inits):
    """The reduction that a function and its initial value stand for, or None."""
    try:
        found = _MONOIDS.get(computation)
    except TypeError:                           # a callable that is not hashable
        return None
    if found is None or len(xs) != 1:
        return None
    reduction, kinds, neutral = found
    (init,) = inits
    value = init.concrete_value() if isinstance(init, Tracer) else init
    dtype = aval_of(init).dtype
    if value is None or aval_of(init).shape or dtype != aval_of(xs[0]).dtype or dtypes.kind_of(dtype) not in kinds:
        return None
    return reduction if np.asarray(value) == np.asarray(neutral(dtype)).astype(dtype) else None


_reducers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # function -> {(types, tree): (jaxpr, out tree)}


def _reducer(computation, avals, tree):
    """The program of a function of two pytrees of scalars, the same object for the same function and types."""
    try:
        known = _reducers.setdefault(computation, {})
    except TypeError:                           # no weak reference to it is possible
        known = {}
    key = (avals, tree)
    if key not in known:
        out_tree = tree

        def flat(*values):
            nonlocal out_tree
            n = len(avals)
            out = computation(pytrees.tree_unflatten(tree, values[:n]), pytrees.tree_unflatten(tree, values[n:]))
            leaves, out_tree = pytrees.tree_flatten(out)
            if len(leaves) != n:
                raise TypeError(f"reduce: the function must answer {n} values, as many as there are operands, got {len(leaves)}")
            return [convert(x, a.dtype, a.weak_type) if aval_of(x).dtype == a.dtype else x for x, a in zip(leaves, avals)]

        jaxpr = trace_to_jaxpr(flat, (*avals, *avals))
        for x, a in zip(jaxpr.out_avals, avals):
            if x.shape or x.dtype != a.dtype:
                raise TypeError(f"reduce: the function must answer scalars of the types of its arguments, got {x} for {a}")
        if has_tracer_consts(jaxpr):
            raise NotImplementedError("reduce: the function closes over a traced value, which a reduction cannot use")
        known[key] = jaxpr, out_tree
    return known[key]
