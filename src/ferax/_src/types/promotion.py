"""Which dtype the result of an operation on several operands gets.

The dtypes form a lattice. Each row of `_STANDARD` below names a node and the nodes just above it; operands combine to
their *join*, the least node that is above them all. Where there is none, the user has to say what is wanted
(`TypePromotionError`). Besides the dtypes there are three nodes for *weakly typed* numbers, written ``int*``, ``float*``
and ``complex*``: Python's scalars and arrays made from only such. They sit below the dtypes of their kind, so
``uint8 + 1`` is uint8 and ``bfloat16 * 2.0`` is bfloat16, while ``uint8 + 1.0`` is ``float*``, a float of the default width.

The small floats and integers (8 bits and less for floats, below 8 for integers) lie above ``float*`` and ``int*`` and
below nothing: they combine with weak numbers and with themselves only.

In strict mode (``jax_numpy_dtype_promotion='strict'``) no two different dtypes combine; weak numbers still yield to
dtypes of their own or a wider kind.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np

from ferax._src.types.dtype_table import (
    ALL,
    COMPLEX,
    FLOAT4,
    FLOAT6,
    FLOAT8,
    FLOATS,
    INTS,
    NARROW_FLOATS,
    NARROW_INTS,
    as_dtype,
    bool_,
    canonicalize,
    default_dtype,
    default_float_dtype,
    kind_of,
    named_dtypes,
    to_complex_dtype,
    to_inexact_dtype,
    to_numeric_dtype,
)
from ferax._src.types.scalars import dtype_and_weak_type, dtype_of
from ferax._src.util import config

_STANDARD = """
    bool        int*
    int*        uint8 int8 <narrow ints>
    uint8       uint16 int16
    uint16      uint32 int32
    uint32      uint64 int64
    uint64      float*
    int8        int16
    int16       int32
    int32       int64
    int64       float*
    float*      bfloat16 float16 complex* <narrow floats>
    bfloat16    float32
    float16     float32
    float32     float64 complex64
    float64     complex128
    complex*    complex64
    complex64   complex128
"""
# Without 64-bit dtypes, uint32 and int32 must meet in 32 bits: uint32 gets int32 above it in place of int64.
_STANDARD_X32 = _STANDARD.replace("uint32      uint64 int64", "uint32      uint64 int32")

_STRICT = """
    int*        float* <ints>
    float*      complex* <floats>
    complex*    <complex>
"""

_WEAK = {"int*": int, "float*": float, "complex*": complex}
_GROUPS = {
    "<narrow ints>": NARROW_INTS,
    "<narrow floats>": NARROW_FLOATS,
    "<ints>": INTS,
    "<floats>": FLOATS,
    "<complex>": COMPLEX,
}


class TypePromotionError(ValueError):
    """Operands whose dtypes do not combine implicitly.

    Cast one of them, for example ``x.astype('float32')``. Small floats and integers never combine with other dtypes,
    since silently widening them would undo the reason for using them; in strict mode nothing does.
    """

    __module__ = "ferax.dtypes"


# -- the lattice --------------------------------------------------------------------------------------------------


class Lattice:
    """A partial order of dtypes and the three weak scalar types (as ``int``, ``float``, ``complex``), with joins.

    Sets of nodes are bit masks; ``above[n]`` holds ``n`` and all that lies above it.
    """

    def __init__(self, text: str):
        just_above: dict[Any, list] = {node: [] for node in (*ALL, int, float, complex)}
        for line in text.strip().splitlines():
            name, _, rest = line.strip().partition(" ")
            words = rest
            for group, members in _GROUPS.items():
                words = words.replace(group, " ".join(d.name for d in members))
            just_above[_node(name)] += [_node(word) for word in words.split()]
        self.nodes = list(just_above)
        bit = {node: 1 << i for i, node in enumerate(self.nodes)}

        @functools.cache
        def upward(node) -> int:
            mask = bit[node]
            for upper in just_above[node]:
                mask |= upward(upper)
            return mask

        self.above = {node: upward(node) for node in self.nodes}

    def join(self, nodes: Iterable[Any]) -> Any:
        """The least node above all of ``nodes``, or None if there is none.

        Raises
        ------
        ValueError : if one of them is no node.
        """
        common = -1
        for node in nodes:
            if node not in self.above:
                raise ValueError(f"dtype={node} is not a valid dtype for type promotion.")
            common &= self.above[node]
        for i, node in enumerate(self.nodes):
            if common >> i & 1 and self.above[node] & common == common:
                return node
        return None


def _node(name: str) -> Any:
    return _WEAK.get(name) or named_dtypes[name]


@functools.cache
def lattice(strict: bool, x64: bool) -> Lattice:
    """The lattice of a mode; strict mode has one for both settings of the x64 switch."""
    if strict:
        return Lattice(_STRICT)
    return Lattice(_STANDARD if x64 else _STANDARD_X32)


_joins: dict[tuple, Any] = {}


def least_upper_bound(strict: bool, x64: bool, *nodes: Any) -> Any:
    """The join of dtypes and weak scalar types.

    Raises
    ------
    TypePromotionError : if there is none.
    """
    key = (strict, x64, nodes)
    found = _joins.get(key)
    if found is None:
        found = lattice(strict, x64).join(nodes)
        if found is None:
            raise TypePromotionError(_why_not(strict, nodes))
        _joins[key] = found
    return found


def _why_not(strict: bool, nodes: tuple) -> str:
    names = tuple(dict.fromkeys(_name_of(node) for node in nodes))
    head = f"Input dtypes {names} have no available implicit dtype promotion path"
    if strict:
        return (
            f"{head} when jax_numpy_dtype_promotion=strict. Cast the inputs to one dtype, for example by "
            f"x.astype({_cast_target(nodes)!r}), or set jax_numpy_dtype_promotion=standard."
        )
    for group, what in (
        (FLOAT8, "8-bit floats do"),
        (FLOAT6, "6-bit floats do"),
        (FLOAT4, "4-bit floats do"),
        (NARROW_INTS, "integers of less than 8 bits do"),
    ):
        culprits = [_name_of(node) for node in nodes if node in group]
        if culprits:
            return (
                f"{head}. {what.capitalize()} not combine with other dtypes, so that nothing is widened by "
                f"accident. Cast {culprits[0]} yourself, for example by x.astype({_cast_target(nodes)!r})."
            )
    return f"{head}. Cast the inputs to one dtype, for example by x.astype({_cast_target(nodes)!r})."


def _cast_target(nodes: tuple) -> str:
    """A dtype worth suggesting: the standard join of the ordinary dtypes among the nodes, else 32 bits of the kind."""
    ordinary = [
        n for n in nodes if isinstance(n, np.dtype) and n not in NARROW_INTS and n not in NARROW_FLOATS
    ]
    floats = any(n is float or kind_of(n) == "f" for n in nodes)
    joined = lattice(False, True).join(ordinary) if ordinary else None
    if isinstance(joined, np.dtype) and not (floats and kind_of(joined) not in "fc"):
        return joined.name
    return "float32" if floats else "int32"


def _name_of(node: Any) -> str:
    return f"weak {node.__name__}" if isinstance(node, type) else str(node)


# -- promotion ----------------------------------------------------------------------------------------------------


def _strict() -> bool:
    return config.numpy_dtype_promotion.value == "strict"


def promote_types(a: Any, b: Any) -> Any:
    """The dtype in which a binary operation on operands of dtypes ``a`` and ``b`` works.

    ``int``, ``float`` and ``complex`` are weak: ``promote_types('uint8', int)`` is uint8. The x64 switch does not
    truncate the answer: ``promote_types('float64', 'float32')`` is float64.

    Raises
    ------
    TypePromotionError : if the two do not combine implicitly.
    """
    if a is b and type(a) in _DTYPE_CLASSES:
        return a
    a = a if a is int or a is float or a is complex else as_dtype(a)
    b = b if b is int or b is float or b is complex else as_dtype(b)
    if a is b and not isinstance(a, type):
        return a
    return as_dtype(least_upper_bound(_strict(), config.enable_x64.value, a, b))


_DTYPE_CLASSES = frozenset(type(d) for d in ALL)


def combine(*pairs: tuple[Any, bool]) -> tuple[Any, bool]:
    """Promotion of operands given as pairs (dtype, weak_type); the answer is such a pair, its dtype canonical."""
    dtype, weak = pairs[0]
    if len(pairs) == 2:  # the case of every binary operator
        dtype2, weak2 = pairs[1]
        if dtype is dtype2 and not (weak and weak2):
            return dtype, False
    elif len(pairs) == 1:
        return dtype, weak and dtype is not bool_
    return _combine(_strict(), config.enable_x64.value, pairs)


@functools.lru_cache(8192)
def _combine(strict: bool, x64: bool, pairs: tuple[tuple[Any, bool], ...]) -> tuple[Any, bool]:
    dtypes = {dtype for dtype, _ in pairs}
    all_weak = all(weak for _, weak in pairs)
    if len(dtypes) == 1 and not all_weak:  # lets extended dtypes and float0 through
        return pairs[0][0], False
    if all_weak and not strict:
        # The join of the dtypes, which keeps a weak dtype of other than the default width (a weak int16, say).
        joined, weak = least_upper_bound(strict, x64, *dict.fromkeys(dtype for dtype, _ in pairs)), True
    else:
        joined = least_upper_bound(strict, x64, *dict.fromkeys(_node_of(*pair) for pair in pairs))
        weak = isinstance(joined, type)
    if isinstance(joined, type):
        joined = default_dtype(kind_of(as_dtype(joined)))
    elif not x64:
        joined = canonicalize(joined)
    return joined, weak and joined is not bool_


def _node_of(dtype: Any, weak: bool) -> Any:
    return _WEAK_NODE.get(kind_of(dtype), dtype) if weak else dtype


_WEAK_NODE = {"i": int, "u": int, "f": float, "c": complex}


def lattice_result_type(*args: Any) -> tuple[Any, bool]:
    """The pair (dtype, weak_type) of an operation on ``args``: arrays, scalars, dtypes or Python scalar types.

    Unlike for `result_type`, a weak answer keeps its width: a weak int16 stays int16.
    """
    return combine(*map(dtype_and_weak_type, args))


def result_type(*args: Any, return_weak_type_flag: bool = False) -> Any:
    """The dtype that an operation on ``args`` gives.

    Parameters
    ----------
    args : arrays, scalars, dtypes, Python scalar types; None stands for the default float dtype
    return_weak_type_flag : answer the pair (dtype, weak_type)

    Raises
    ------
    TypePromotionError : if they do not combine implicitly.

    Examples
    --------
    >>> result_type('int8', 1.0)
    dtype('float32')
    >>> result_type(1, 2, return_weak_type_flag=True)
    (dtype('int32'), True)
    """
    if not args:
        raise ValueError("at least one array or dtype is required")
    if any(arg is None for arg in args):
        args = tuple(default_float_dtype() if arg is None else arg for arg in args)
    dtype, weak = combine(*map(dtype_and_weak_type, args))
    if weak:
        dtype = default_dtype(kind_of(dtype))
    return (dtype, weak) if return_weak_type_flag else dtype


# What the operands of an operation are converted to before it, by kind of operation. All answer (dtype, weak_type).


def promoted(*args: Any) -> tuple[Any, bool]:
    """For operations on anything: the join, canonical."""
    dtype, weak = lattice_result_type(*args)
    return canonicalize(dtype), weak


def promoted_numeric(*args: Any) -> tuple[Any, bool]:
    """For arithmetic: the join, with booleans made integers."""
    dtype, weak = lattice_result_type(*args)
    return canonicalize(to_numeric_dtype(dtype)), weak


def promoted_inexact(*args: Any) -> tuple[Any, bool]:
    """For functions with real values such as ``sin`` and true division: the join, with integers made floats."""
    dtype, weak = lattice_result_type(*args)
    return canonicalize(to_inexact_dtype(dtype)), weak


def promoted_complex(*args: Any) -> tuple[Any, bool]:
    """For functions with complex values: the join, made complex."""
    dtype, weak = lattice_result_type(*args)
    return canonicalize(to_complex_dtype(dtype)), weak


def safe_to_cast(source: Any, target: Any) -> bool:
    """Whether promotion would turn ``source`` (a dtype or value) into the dtype of ``target`` by itself.

    Raises
    ------
    TypePromotionError : if the two do not combine at all.
    """
    target = dtype_of(target)
    if dtype_of(source) == target:
        return True
    return result_type(source, target) == target
