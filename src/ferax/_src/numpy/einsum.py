"""Einstein's sum convention: parsing subscripts, and contracting one or two operands at a time.

The subscripts are brought to one form: a string of letters for each operand and for the result. Three and more operands
are contracted in the order that `opt_einsum` finds. One step sums out the letters that only one operand has, takes
diagonals of repeated ones, and multiplies with `dot_general`, whose operands are put in the order that gives the
result without a transpose, if there is one.
"""

from __future__ import annotations

import collections
import functools
import string

from ferax._src.numpy.util import cast, check_arraylike, operand, promote_dtypes, shape_of
from ferax._src.ops.broadcasting import reduce_sum, transpose
from ferax._src.ops.compare import eq
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.dot import dot_general
from ferax._src.ops.elementwise_bits import bitwise_and
from ferax._src.ops.reduce import reduce_or
from ferax._src.ops.select import select_n
from ferax._src.ops.shape import broadcasted_iota, squeeze
from ferax._src.runtime.fused import fused
from ferax._src.types import dtypes


# --- subscripts ---------------------------------------------------------------------------------

def _interleaved(args) -> tuple[str, list]:
    """The form ``x, [0, 1], y, [1, 2], [0, 2]`` as subscripts and operands."""
    letters = string.ascii_letters
    operands, parts = list(args[:len(args) // 2 * 2:2]), [args[i] for i in range(1, len(args), 2)]
    out = args[-1] if len(args) % 2 else None
    labels = sorted({i for part in (*parts, out or ()) for i in part if i is not Ellipsis})
    name = dict(zip(labels, letters))

    def spell(part) -> str:
        return "".join(["..." if i is Ellipsis else name[i] for i in part])
    subscripts = ",".join([spell(part) for part in parts])
    return (subscripts if out is None else f"{subscripts}->{spell(out)}"), operands


@functools.lru_cache(4096)
def parse(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[str, ...], str]:
    """Letters of each operand and of the result, ellipses spelled out.

    Raises
    ------
    ValueError : if the subscripts are malformed or do not fit the shapes.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(shapes):
        raise ValueError(f"einsum: the subscripts {subscripts!r} are for {len(inputs)} operands, but {len(shapes)} were given")
    for part in (*inputs, right):
        rest = part.replace("...", "", 1)
        if any(c in ".->" for c in rest):
            raise ValueError(f"einsum: {part!r} in the subscripts {subscripts!r} is not made of letters and one ellipsis")
    free = [c for c in string.ascii_letters + "".join(map(chr, range(192, 1000))) if c not in text]
    widths = [len(shape) - len(part.replace("...", "")) for part, shape in zip(inputs, shapes)]
    for part, shape, width in zip(inputs, shapes, widths):
        if width < 0 or (width and "..." not in part):
            raise ValueError(f"einsum: the subscript {part!r} does not fit an operand of shape {shape}: it has "
                             f"{len(part.replace('...', ''))} letters")
    dots = "".join(free[:max([w for part, w in zip(inputs, widths) if "..." in part], default=0)])
    spelled = [part.replace("...", dots[len(dots) - width:]) for part, width in zip(inputs, widths)]
    if arrow:
        result = right.replace("...", dots)
    else:
        counts = collections.Counter("".join(inputs).replace(".", ""))
        result = dots + "".join(sorted([c for c, n in counts.items() if n == 1]))
    if len(set(result)) != len(result):
        raise ValueError(f"einsum: a letter occurs twice in the result of {subscripts!r}")
    if unknown := set(result) - set("".join(spelled)):
        raise ValueError(f"einsum: the result of {subscripts!r} has letters that no operand has: {sorted(unknown)}")
    sizes: dict[str, int] = {}
    for part, shape in zip(spelled, shapes):
        for c, n in zip(part, shape):
            if n != 1 and sizes.setdefault(c, n) != n:
                raise ValueError(f"einsum: the sizes {sizes[c]} and {n} are both given the letter {c!r} in {subscripts!r}, for "
                                 f"operands of shapes {', '.join(map(str, shapes))}")
    return tuple(spelled), result


@functools.lru_cache(1024)
def _path(inputs: tuple[str, ...], result: str, shapes, optimize) -> tuple[tuple[int, ...], ...]:
    """Which operands each step takes from the list; its result goes to the end."""
    n = len(inputs)
    if n <= 2:
        return (tuple(range(n)),)
    if optimize is False:
        return ((0, 1),) * (n - 1)
    import opt_einsum                                       # lazy: slow to load, and seldom needed
    optimize = "optimal" if optimize is True else list(map(tuple, optimize)) if isinstance(optimize, tuple) else optimize
    path, _ = opt_einsum.contract_path(f"{','.join(inputs)}->{result}", *shapes, shapes=True, optimize=optimize)
    return tuple([tuple(sorted(step)) for step in path])


# --- one step -----------------------------------------------------------------------------------

def _sum_out(x, names: str, drop, compute):
    """``x`` summed over the dimensions named ``drop``, each of which it has once."""
    if not drop:
        return x, names
    axes = tuple(sorted([names.index(c) for c in drop]))
    if compute is not None and dtypes.result_type(x, compute) != x.dtype:
        x = convert(x, compute)
    x = reduce_or(x, axes) if x.dtype == dtypes.bool_ else reduce_sum(x, axes)
    return x, "".join([c for c in names if c not in drop])


def _diagonals(x, names: str, keep, compute):
    """``x`` with each letter once: other dimensions of the same letter are summed over their common diagonal."""
    for c, count in collections.Counter(names).items():
        if count == 1:
            continue
        axes = [i for i, d in enumerate(names) if d == c]
        indices = [broadcasted_iota("int32", x.shape, i) for i in axes]
        same = functools.reduce(bitwise_and, [eq(indices[0], i) for i in indices[1:]])
        x = select_n(same, cast(0, x.dtype), x)
        gone = axes if c not in keep else axes[:-1]
        x = reduce_or(x, tuple(gone)) if x.dtype == dtypes.bool_ else reduce_sum(x, tuple(gone))
        names = "".join([d for i, d in enumerate(names) if i not in gone])
    return x, names


def _ordered(x, names: str, result: str):
    return x if names == result else transpose(x, tuple([names.index(c) for c in result]))


def _single(x, names: str, result: str, compute):
    counts = collections.Counter(names)
    x, names = _sum_out(x, names, [c for c in counts if counts[c] == 1 and c not in result], compute)
    x, names = _diagonals(x, names, result, compute)
    return _ordered(x, names, result)


def _without_ones(x, names: str, other: str, other_shape):
    """``x`` without the dimensions of size 1 that the other operand has too, larger."""
    drop = tuple([i for i, c in enumerate(names) if x.shape[i] == 1 and c in other and other_shape[other.index(c)] != 1])
    return squeeze(x, drop), "".join([c for i, c in enumerate(names) if i not in drop])


def _pair(x, xn: str, y, yn: str, result: str, precision, preferred, dot):
    shape_x, shape_y = x.shape, y.shape
    x, xn_ = _without_ones(x, xn, yn, shape_y)
    y, yn_ = _without_ones(y, yn, xn, shape_x)
    xn, yn = xn_, yn_
    x, xn = _sum_out(x, xn, [c for c in set(xn) if xn.count(c) == 1 and c not in yn and c not in result], preferred)
    y, yn = _sum_out(y, yn, [c for c in set(yn) if yn.count(c) == 1 and c not in xn and c not in result], preferred)
    x, xn = _diagonals(x, xn, result + yn, preferred)
    y, yn = _diagonals(y, yn, result + xn, preferred)
    both = set(xn) & set(yn)
    batch = [c for c in result if c in both]
    contracted = sorted([c for c in both if c not in result])
    head = "".join(batch)
    rest_x, rest_y = ["".join([c for c in n if c not in both]) for n in (xn, yn)]
    if head + rest_y + rest_x == result and head + rest_x + rest_y != result:
        x, xn, rest_x, y, yn, rest_y = y, yn, rest_y, x, xn, rest_x
    dims = ((tuple(map(xn.index, contracted)), tuple(map(yn.index, contracted))),
            (tuple(map(xn.index, batch)), tuple(map(yn.index, batch))))
    out = dot(x, y, dims, precision, preferred_element_type=preferred)
    return _ordered(out, head + rest_x + rest_y, result)


def _contract(operands, inputs, result: str, path, precision, preferred, dot):
    operands, inputs = list(operands), list(inputs)
    for step in path:
        # Of three and more operands, the later one is the left one: so does JAX, and sums in that order.
        taken = [(operands.pop(i), inputs.pop(i)) for i in sorted(step, reverse=True)]
        if len(path) == 1:
            taken.reverse()
        left = set(result).union(*inputs)
        names = "".join([n for _, n in taken])
        target = result if not operands else "".join([c for c in dict.fromkeys(names) if c in left])
        if len(taken) == 1:
            ((x, xn),) = taken
            out = _single(x, xn, target, preferred)
        elif len(taken) == 2:
            (x, xn), (y, yn) = taken
            out = _pair(x, xn, y, yn, target, precision, preferred, dot)
        else:
            raise NotImplementedError("jax.numpy.einsum does not support simultaneous contraction of 3 or more operands. "
                                      "Typically this means you've passed an unsupported path to the einsum optimize parameter.")
        operands.append(out)
        inputs.append(target)
    return operands[0]


@fused(static=("inputs", "result", "path", "precision", "preferred"))
def _einsum(*operands, inputs, result, path, precision, preferred):
    return _finished(operands, inputs, result, path, precision, preferred, dot_general)


def _finished(operands, inputs, result, path, precision, preferred, dot):
    dtype, weak = dtypes.result_type(*operands, return_weak_type_flag=True)
    if preferred is None:
        operands = promote_dtypes(*operands) if len(operands) > 1 else operands
        preferred = dtype
    else:
        weak = False
    out = _contract([as_array(x) for x in operands], inputs, result, path, precision, preferred, dot)
    return convert(out, preferred, weak)


# --- the functions ------------------------------------------------------------------------------

def _taken_apart(name: str, subscripts, operands):
    if not isinstance(subscripts, str):
        subscripts, operands = _interleaved((subscripts, *operands))
    if not operands:
        raise ValueError(f"{name}: at least one operand is needed")
    check_arraylike(name, *operands)
    operands = [operand(x) for x in operands]
    shapes = tuple([tuple(shape_of(x)) for x in operands])
    inputs, result = parse(subscripts, shapes)
    return subscripts, operands, shapes, inputs, result


def einsum(subscripts, /, *operands, out=None, optimize="auto", precision=None, preferred_element_type=None,
           _dot_general=dot_general, out_sharding=None):
    """Sum of products, written in Einstein's notation.

    Parameters
    ----------
    subscripts : letters for the dimensions of each operand and of the result, as in ``"ij,jk->ik"``. Letters that the
        result does not have are summed over; without ``->`` the result has those that occur once, in alphabetical order.
        ``...`` stands for dimensions that broadcast. Or operands and lists of ints in turn: ``x, [0, 1], y, [1, 2], [0, 2]``
    *operands : array-likes
    out : not supported
    optimize : how to find the order in which three and more operands are contracted: "auto", "optimal" or another
        algorithm of opt_einsum, a path, True for "optimal", or False for from left to right
    precision, preferred_element_type : as of `matmul`
    out_sharding : sharding of the result, or None

    Returns
    -------
    array

    References
    ----------
    ``numpy.einsum``

    Examples
    --------
    >>> jnp.einsum('ij,jk->ki', jnp.ones((2, 3)), jnp.ones((3, 1)))
    Array([[3., 3.]], dtype=float32)
    """
    if out is not None:
        raise NotImplementedError("The 'out' argument to jnp.einsum is not supported.")
    subscripts, operands, shapes, inputs, result = _taken_apart("einsum", subscripts, operands)
    if isinstance(optimize, list):
        optimize = tuple([tuple(step) if isinstance(step, (list, tuple)) else step for step in optimize])
    if isinstance(optimize, tuple) and optimize and isinstance(optimize[0], str):
        optimize = optimize[1:]                             # NumPy's paths start with a word
    path = _path(inputs, result, shapes, optimize)
    if preferred_element_type is not None:
        preferred_element_type = dtypes.check_user_dtype(preferred_element_type, "einsum")
    if _dot_general is not dot_general or out_sharding is not None:
        def dot(x, y, dims, precision, preferred_element_type):
            extra = {} if out_sharding is None else {"out_sharding": out_sharding}
            return _dot_general(x, y, dims, precision, preferred_element_type=preferred_element_type, **extra)
        return _finished(operands, inputs, result, path, precision, preferred_element_type, dot)
    return _einsum(*operands, inputs=inputs, result=result, path=path, precision=precision,
                   preferred=preferred_element_type)


def einsum_path(subscripts, /, *operands, optimize="auto"):
    """The order in which `einsum` would contract its operands.

    Parameters
    ----------
    subscripts, operands, optimize : as of `einsum`

    Returns
    -------
    pair: list of tuples of int, and a report on the costs

    References
    ----------
    ``numpy.einsum_path``, ``opt_einsum.contract_path``

    Examples
    --------
    >>> path, report = jnp.einsum_path('ij,jk,kl->il', jnp.ones((2, 9)), jnp.ones((9, 9)), jnp.ones((9, 1)))
    >>> path
    [(1, 2), (0, 1)]
    """
    import opt_einsum                                       # lazy: slow to load, and seldom needed
    _, _, shapes, inputs, result = _taken_apart("einsum_path", subscripts, operands)
    if optimize is False:
        optimize = [(0, 1)] * (len(inputs) - 1) or [(0,)]
    return opt_einsum.contract_path(f"{','.join(inputs)}->{result}", *shapes, shapes=True,
                                    optimize="optimal" if optimize is True else optimize)
