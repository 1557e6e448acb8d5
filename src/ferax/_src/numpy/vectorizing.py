"""vectorize: a function of single elements, or of small arrays, mapped over the leading dimensions of its arguments.

Dimensions named in the signature are *core* dimensions, which the function sees; those before them are *loop* dimensions.
They are broadcast against each other, and the function is put under one `vmap` for each.
"""

from __future__ import annotations

import functools
import re

from ferax._src.api.vmap import vmap
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.util import incompatible_shapes, shape_of
from ferax._src.ops.broadcasting import broadcast_shapes
from ferax._src.ops.shape import squeeze
from ferax._src.tracing.core import Array

_DIMENSIONS = r"\((?:\w+(?:,\w+)*)?\)"
_SIGNATURE = re.compile(rf"(?P<inputs>(?:{_DIMENSIONS}(?:,{_DIMENSIONS})*)?)->(?P<outputs>{_DIMENSIONS}(?:,{_DIMENSIONS})*)")


def _parse(signature: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The names of the core dimensions of each argument and each result of ``"(m,n),(n)->(m)"``."""
    found = _SIGNATURE.fullmatch(re.sub(r"\s+", "", signature))
    if found is None:
        raise ValueError(f"vectorize: {signature!r} is not a signature; write for example '(m,n),(n)->(m)'")
    return tuple([tuple(re.findall(r"\w+", dims)) for dims in re.findall(_DIMENSIONS, found[side])]     # type: ignore
                 for side in ("inputs", "outputs"))


def _check_excluded(excluded) -> frozenset:
    excluded = frozenset(excluded)
    if any([not isinstance(e, (int, str)) for e in excluded]):
        raise TypeError(f"vectorize: excluded must hold positions (int) and names (str), got {set(excluded)!r}")
    if any([isinstance(e, int) and e < 0 for e in excluded]):
        raise ValueError(f"vectorize: excluded holds positions from 0 on, got {set(excluded)!r}")
    return excluded


def vectorize(pyfunc, *, excluded=frozenset(), signature=None):
    """Make a function that broadcasts and maps over the leading dimensions of its arguments.

    Parameters
    ----------
    pyfunc : function of arrays
    excluded : set of int and str, positions and names of arguments that are handed on as they are
    signature : str such as ``"(m,n),(n)->(m)"``, the dimensions that ``pyfunc`` itself works on; without one all arguments
        are scalars to it

    Returns
    -------
    function of arrays; arguments that are None are handed on as they are

    Raises
    ------
    TypeError, ValueError : for bad arguments here, and by the function for arguments and results that do not fit.

    References
    ----------
    ``numpy.vectorize``

    Examples
    --------
    >>> import ferax.numpy as jnp
    >>> def convolve_ends(a, v):
    ...     return a[0] * v[-1] + a[-1] * v[0]
    >>> jnp.vectorize(convolve_ends, signature="(n),(m)->()")(jnp.ones((4, 1, 3)), jnp.ones((2, 5))).shape
    (4, 2)
    """
    excluded = _check_excluded(excluded)
    dims = None if signature is None else _parse(signature)
    context = f"vectorize of {getattr(pyfunc, '__name__', pyfunc)}" + ("" if signature is None else f" with signature {signature!r}")

    @functools.wraps(pyfunc)
    def wrapped(*args, **kwargs):
        left = [i for i in range(len(args)) if i in excluded]
        named = [k for k in kwargs if k not in excluded]
        if signature is not None and named:
            raise TypeError(f"{context}: the keyword arguments {named} must be excluded, or given by position")
        mapped = [i for i in range(len(args)) if i not in excluded]
        missing = {i for i in mapped if args[i] is None}
        if missing and signature is not None:
            raise ValueError(f"{context}: None was given at positions {sorted(missing)}, where the signature has arrays")
        named = [k for k in named if kwargs[k] is not None]
        mapped = [i for i in mapped if i not in missing]
        given = [x if isinstance(x, Array) else asarray(x) for x in (*[args[i] for i in mapped], *[kwargs[k] for k in named])]
        if not given and not left and not kwargs and not args:
            raise TypeError(f"{context}: it was called without arguments")

        def core(*xs):
            full, options = list(args), dict(kwargs)
            for i, x in zip(mapped, xs):
                full[i] = x
            options.update(zip(named, xs[len(mapped):]))
            return pyfunc(*full, **options)

        inputs, outputs = dims if dims is not None else ([()] * len(given), None)
        if len(inputs) != len(given):
            raise TypeError(f"{context}: the signature has {len(inputs)} arguments, got {len(given)}")
        return _mapped(core, given, inputs, outputs, context)

    return wrapped


def _mapped(core, args, inputs, outputs, context: str):
    """``core`` under a `vmap` for each loop dimension."""
    sizes: dict[str, int] = {}
    for x, names in zip(args, inputs):
        if x.ndim < len(names):
            raise ValueError(f"{context}: an argument of shape {x.shape} has fewer dimensions than the core dimensions {names}")
        _note_sizes(sizes, x.shape[x.ndim - len(names):], names, context)
    loops = [x.shape[:x.ndim - len(names)] for x, names in zip(args, inputs)]
    try:
        shape = broadcast_shapes(*loops) if loops else ()
    except ValueError:
        raise ValueError(str(incompatible_shapes("vectorize", loops))) from None

    fun = core if outputs is None else _checked(core, outputs, sizes, context)
    # A dimension of size 1 that another argument has larger is not mapped for this one, but taken out of it.
    maps: list[list] = [[None] * len(args) for _ in shape]
    for k, (x, loop) in enumerate(zip(args, loops)):
        lead = len(shape) - len(loop)
        ones = [i for i, n in enumerate(loop) if n == 1 and shape[lead + i] != 1]
        if ones:
            args[k] = squeeze(x, ones)
        for i in range(len(loop)):
            if i not in ones:
                maps[lead + i][k] = 0
    for in_axes in reversed(maps):
        fun = vmap(fun, in_axes=tuple(in_axes)) if any([d is not None for d in in_axes]) else fun
    return fun(*args)


def _note_sizes(sizes: dict, shape, names, context: str) -> None:
    for n, name in zip(shape, names):
        if sizes.setdefault(name, n) != n:
            raise ValueError(f"{context}: the core dimension {name!r} has size {sizes[name]} in one place and {n} in another")


def _checked(core, outputs, sizes: dict, context: str):
    """``core`` with its results compared with what the signature says of them."""
    def fun(*xs):
        out = core(*xs)
        if len(outputs) == 1:
            if isinstance(out, tuple):
                raise TypeError(f"{context}: the signature has one result, got a tuple of {len(out)}")
            results = (out,)
        else:
            if not isinstance(out, tuple):
                raise TypeError(f"{context}: the signature has {len(outputs)} results, got {type(out).__name__} instead of a tuple of them")
            results = out
            if len(results) != len(outputs):
                raise TypeError(f"{context}: the signature has {len(outputs)} results, got {len(results)}")
        known = dict(sizes)
        for result, names in zip(results, outputs):
            shape = shape_of(result)
            if len(shape) != len(names):
                raise ValueError(f"{context}: a result has shape {shape}, where the signature has the dimensions {names}")
            _note_sizes(known, shape, names, context)
        return out
    return fun
