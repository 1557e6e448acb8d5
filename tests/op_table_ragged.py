"""Cases for ragged products."""

import numpy as np
from op_harness import Arg, Case, bind

from ferax._src.ops.ragged_dot import RaggedDotDimensionNumbers

CASES: list[Case] = []


def case(label, x, y, sizes, contract, batch, ragged, group, oracle, **options):
    numbers = RaggedDotDimensionNumbers((contract, batch), (ragged,), group)
    sizes = np.asarray(sizes)
    CASES.append(Case("ragged_dot_general", bind("ragged_dot_general", ragged_dot_dimension_numbers=numbers, precision=None,
                                                 preferred_element_type=None),
                      (Arg(x), Arg(y), Arg(sizes.shape, 0, 2, dtype="int32", values=sizes)), oracle, diff=(0, 1), linear=True,
                      label=label, **options))


def members(sizes, n):
    """For each group which of n elements are in it, shape (g, n)."""
    ends = np.cumsum(sizes)
    return (np.arange(n) >= (ends - sizes)[:, None]) & (np.arange(n) < ends[:, None])


def rows(x, y, sizes):
    return np.einsum("gm,mk,gkn->mn", members(sizes, len(x)).astype(x.dtype), x, y)


def columns(x, y, sizes):
    return np.einsum("gk,mk,kn->gmn", members(sizes, len(y)).astype(x.dtype), x, y)


def rows_of_batches(x, y, sizes):
    """x [k1, b, x1, m, k2], y [k2, n, b, g, k1], sizes [b, x1, g] -> [b, x1, m, n]"""
    inside = np.stack([[members(s, x.shape[3]) for s in row] for row in sizes]).astype(x.dtype)
    return np.einsum("bxgm,cbxmk,knbgc->bxmn", inside, x, y)


def columns_of_batches(x, y, sizes):
    """x [k, m, b, c], y [c, b, n, k], contracted c before k, sizes [b, c, g] -> [g, b, m, n]"""
    inside = np.stack([[members(s, x.shape[0]) for s in row] for row in sizes]).astype(x.dtype)
    return np.einsum("bcgk,kmbc,cbnk->gbmn", inside, x, y)


case("rows", (4, 3), (3, 3, 2), [2, 0, 1], ((1,), (1,)), ((), ()), 0, (0,), rows, kinds=("float32", "bfloat16", "complex128", "int32"))
case("columns", (2, 4), (4, 3), [1, 3], ((1,), (0,)), ((), ()), 1, (), columns)
case("rows-of-batches", (2, 2, 2, 3, 2), (2, 2, 2, 2, 2), [[[1, 2], [2, 0]], [[0, 3], [1, 1]]], ((4, 0), (0, 4)), ((1,), (2,)), 3, (3,),
     rows_of_batches, second=False)
case("columns-of-batches", (4, 2, 2, 2), (2, 2, 3, 4), [[[1, 2], [2, 2]], [[0, 3], [1, 1]]], ((3, 0), (0, 3)), ((2,), (1,)), 0, (),
     columns_of_batches, second=False)
