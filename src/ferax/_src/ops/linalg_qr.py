"""The QR decomposition, and the products of Householder reflections that it is made of.

LAPACK leaves the decomposition in a compact form: r in the upper triangle of a matrix, and below it, with the numbers
``taus``, the vectors of reflections ``I - tau v v^H``, whose product is q. `geqrf` and `geqp3` answer this form,
`householder_product` makes q of it, and `ormqr` multiplies by q without making it.
"""

from __future__ import annotations

import numpy as np

from ferax._src.engine import custom_calls
from ferax._src.ops.base import INEXACT, INT, add, inline, operand
from ferax._src.ops.elementwise import sub
from ferax._src.ops.joining import concatenate
from ferax._src.ops.linalg_lapack import LETTERS, gpu_prefix, kernel_call, lapack_call, solver_call, unsupported_dtype
from ferax._src.ops.linalg_lu import lu, permute_rows
from ferax._src.ops.linalg_matrices import (
    MatrixPrimitive,
    conjugate,
    constant,
    eye,
    matmul,
    mH,
    mT,
    scale,
    tril,
    triu,
)
from ferax._src.ops.linalg_triangular import triangular_solve
from ferax._src.ops.slicing import pad, slice_in_dim
from ferax._src.tracing.core import Zero, register
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.util.config import FLAGS

_INT32 = np.dtype(np.int32)
_use_magma = FLAGS["jax_use_magma"]


def _orthogonal(routine: str, dtype) -> str:
    """LAPACK's name of a routine for orthogonal matrices, or for unitary ones."""
    return ("un" if dtypes.kind_of(dtype) == "c" else "or") + routine


# --- the compact form ---------------------------------------------------------------------------

class Geqrf(MatrixPrimitive):
    """The compact form of the QR decomposition: the matrix with r and the vectors, and ``taus``."""

    name = "geqrf"

    def shapes(self, x):
        return [x, (min(x),)]

    def lower(self, ctx, x):
        (aval,) = ctx.avals_in
        if aval.size == 0:
            return [x, ctx.const(0, ctx.avals_out[1])]
        if ctx.platform in ("cpu", "gpu"):
            call = lapack_call if ctx.platform == "cpu" else solver_call
            return call(ctx, "geqrf", [x], [aval], ctx.avals_out, aliases={0: 0})
        return ctx.custom_call("Qr", [x], backend_config="", api_version=1)


class Geqp3(MatrixPrimitive):
    """`Geqrf` of the matrix with its columns in an order in which the diagonal of r descends, and that order, from 1 on.

    Columns whose entry in ``order`` is not 0 are put first.
    """

    name = "geqp3"
    ranks = (2, 1)
    accepts = (INEXACT, INT)
    mixes_dtypes = True

    def shapes(self, x, order, *, use_magma):
        if order != (x[1],):
            raise ValueError(f"geqp3 expects an entry of jpvt for each column, got shapes {x} and {order}")
        return [x, order, (min(x),)]

    def dtypes(self, count, x, order, *, use_magma):
        return [x.dtype, order.dtype, x.dtype]

    def lower(self, ctx, x, order, *, use_magma):
        aval = ctx.avals_in[0]
        if aval.size == 0:
            return [x, order, ctx.const(0, ctx.avals_out[2])]
        aliases = {0: 0, 1: 1}
        if ctx.platform == "cpu":
            return lapack_call(ctx, "geqp3", [x, order], ctx.avals_in, ctx.avals_out, aliases=aliases)
        if ctx.platform == "gpu":
            if aval.dtype not in LETTERS:
                raise unsupported_dtype("geqp3", aval.dtype)
            custom_calls.ensure_gpu_hybrid()
            magma = _use_magma.value if use_magma is None else "on" if use_magma else "off"
            return kernel_call(ctx, f"{gpu_prefix(ctx)}hybrid_geqp3", [x, order], ctx.avals_in, ctx.avals_out, {"magma": magma},
                               aliases)
        raise NotImplementedError(f"qr: column pivoting is there on CPUs and GPUs only, not on {ctx.platform}")


class HouseholderProduct(MatrixPrimitive):
    """The first columns of a product of reflections, as many as ``a`` has; the vectors are its columns below the diagonal."""

    name = "householder_product"
    ranks = (2, 1)
    accepts = (INEXACT, INEXACT)

    def shapes(self, a, taus):
        if a[0] < a[1]:
            raise ValueError("The first argument to householder_product must have at least as many rows as columns, got shape "
                             f"{a}")
        if taus[0] > min(a):
            raise ValueError("The second argument to householder_product must not have more rows than the minimum of the first "
                             f"argument's rows and columns. Got shapes {a} and {taus}.")
        return [a]

    def lower(self, ctx, a, taus):
        aval = ctx.avals_in[0]
        if aval.size == 0:
            return [a]
        if ctx.platform == "cpu":
            return lapack_call(ctx, _orthogonal("gqr", aval.dtype), [a, taus], ctx.avals_in, [aval], aliases={0: 0})
        if ctx.platform == "gpu":
            return solver_call(ctx, "orgqr", [a, taus], ctx.avals_in, [aval], aliases={0: 0})
        return ctx.custom_call("ProductOfElementaryHouseholderReflectors", [a, taus], backend_config="", api_version=1)


class Ormqr(MatrixPrimitive):
    """``q c`` or ``c q``, or with ``q^H``, for the q of a compact form; linear in c."""

    name = "ormqr"
    ranks = (2, 1, 2)
    accepts = (INEXACT, INEXACT, INEXACT)

    def shapes(self, a, taus, c, *, left, transpose):
        if c[0 if left else 1] != a[0]:
            raise ValueError(f"ormqr with left={left} expects c to have as many {'rows' if left else 'columns'} as the "
                             f"Householder matrix a has rows. Got a shape {a} and c shape {c}.")
        if taus[0] > min(a):
            raise ValueError("ormqr expects at most as many taus as a has rows and columns, got a of shape "
                             f"{a} and taus of shape {taus}")
        return [c]

    def lower(self, ctx, a, taus, c, *, left, transpose):
        a_aval, _, c_aval = ctx.avals_in
        if c_aval.size == 0 or a_aval.size == 0:
            return [c]
        attrs = {"left": left, "transpose": transpose}
        if ctx.platform == "cpu":
            return lapack_call(ctx, _orthogonal("mqr", a_aval.dtype), [a, taus, c], ctx.avals_in, [c_aval], attrs, {0: 2})
        if ctx.platform == "gpu":
            return solver_call(ctx, "ormqr", [a, taus, c], ctx.avals_in, [c_aval], attrs, {0: 2})
        return inline(ctx, _multiply_by_q, [a, taus, c], ctx.avals_in, attrs)

    def jvp(self, primals, tangents, **params):
        a, taus, c = primals
        *others, t = tangents
        if any([type(o) is not Zero for o in others]):
            raise self.missing_rule("jvp", "a derivative by the reflections `a` and `taus`, only by `c`")
        outs = self.bind(a, taus, c, **params)
        return outs, [Zero.of(outs[0])] if type(t) is Zero else self.bind(a, taus, t, **params)

    def transpose(self, cts, a, taus, c, *, left, transpose):
        """The transpose of multiplying by q is multiplying by ``q^T``, which is the conjugate of multiplying by ``q^H``."""
        (ct,) = cts
        if isinstance(a, ShapedArray) or isinstance(taus, ShapedArray):
            raise self.missing_rule("transpose", "a transpose for the reflections: it is linear in `c` only")
        if type(ct) is Zero:
            return [None, None, ct]
        (out,) = self.bind(a, taus, conjugate(ct), left=left, transpose=not transpose)
        return [None, None, conjugate(out)]


def _multiply_by_q(a, taus, c, *, left, transpose):
    """`Ormqr` by way of q itself."""
    q = householder_product(_padded_to_square(a), taus)
    q = mH(q) if transpose else q
    return matmul(q, c) if left else matmul(c, q)


def _padded_to_square(a):
    """The reflections of ``a`` as a matrix with as many columns as rows: with columns of zeros, or less of them."""
    m, n = a.shape[-2:]
    if n >= m:
        return slice_in_dim(a, 0, m, axis=a.ndim - 1)
    return pad(a, a.dtype.type(0), [(0, 0, 0)] * (a.ndim - 1) + [(0, m - n, 0)])


# --- the decomposition --------------------------------------------------------------------------

class QR(MatrixPrimitive):
    """``x = q r``, or ``x[:, p] = q r`` with ``pivoting``; q unitary, r upper triangular with real numbers on its diagonal."""

    name = "qr"

    def shapes(self, x, *, pivoting, full_matrices, use_magma):
        m, n = x
        k = m if full_matrices else min(m, n)
        return [(m, k), (k, n), *([(n,)] if pivoting else [])]

    def dtypes(self, count, x, *, pivoting, full_matrices, use_magma):
        return [x.dtype, x.dtype, *([_INT32] if pivoting else [])]

    def lower(self, ctx, x, *, pivoting, full_matrices, use_magma):
        fn = _from_compact if ctx.avals_in[0].size else _of_nothing
        return inline(ctx, fn, [x], ctx.avals_in, {
            "pivoting": pivoting, "full_matrices": full_matrices, "use_magma": use_magma})

    def jvp(self, primals, tangents, *, pivoting, full_matrices, use_magma):
        """Walter and Lehmann, Algorithmic differentiation of linear algebra functions (2018), section 3.1, for a tall x.

        With ``s = q^H dx r^-1``, ``q^H dq`` is the skew-Hermitian matrix w that has the lower triangle of s, and imaginary
        numbers on its diagonal, for that of r stays real. So ``dr = q^H dx - w r``, and dq is ``q w`` and what of ``dx r^-1``
        is orthogonal to q. For a wide x, s comes from its first columns.
        """
        outs = self.bind(*primals, pivoting=pivoting, full_matrices=full_matrices, use_magma=use_magma)
        q, r, *order = outs
        (t,) = tangents
        m, n = aval_of(q).shape[-2], aval_of(r).shape[-1]
        if type(t) is Zero or t.size == 0:
            return outs, [Zero.of(out) for out in outs]
        for p in order:
            t = mT(permute_rows(mT(t), p))
        k = min(m, n)
        rows, columns = q.ndim - 2, q.ndim - 1
        taller = full_matrices and m > n
        thin = slice_in_dim(q, 0, k, axis=columns) if taller else q
        top = slice_in_dim(r, 0, k, axis=rows) if taller else r
        square = top if n == k else slice_in_dim(top, 0, k, axis=columns)
        first = t if n == k else slice_in_dim(t, 0, k, axis=columns)
        change = triangular_solve(square, first)                        # dx r^-1
        s = matmul(mH(thin), change)
        below = tril(s, -1)
        w = sub(below, mH(below))
        if dtypes.kind_of(s.dtype) == "c":
            on_diagonal = sub(tril(s), below)
            w = add(w, scale(sub(on_diagonal, conjugate(on_diagonal)), 0.5))
        d_r = triu(sub(matmul(mH(thin), t), matmul(w, top)))
        d_q = matmul(thin, w)
        if m > n:
            d_q = add(d_q, sub(change, matmul(thin, s)))
        if taller:
            d_q = concatenate([d_q, _other_columns(q, d_q)], columns)
            d_r = pad(d_r, d_r.dtype.type(0), [(0, 0, 0)] * rows + [(0, m - n, 0), (0, 0, 0)])
        return outs, [d_q, d_r, *[Zero.of(p) for p in order]]


def _other_columns(q, d_first):
    """The derivative of the last columns of a full q, from that of the first n.

    These columns are no choice of their own: a product of n reflections is ``q = I - v t v^H`` with v of n columns
    (Schreiber and Van Loan, A storage-efficient WY representation, 1989). With I, v and q cut after row n, and q after
    column n, this gives ``q12 = (q11 - I) z^H`` and ``q22 = I + q21 z^H`` for ``z = v2 v1^-1 = q21 (q11 - I)^-1``, to be
    differentiated as they stand; and of ``(q_1 - I) (q11 - I)^-H``, which comes up then, the equations make
    ``-(q_1 + q_2 z)``.
    """
    m, n = d_first.shape[-2:]
    rows, columns = q.ndim - 2, q.ndim - 1
    first, last = slice_in_dim(q, 0, n, axis=columns), slice_in_dim(q, n, m, axis=columns)
    q11, q21 = slice_in_dim(first, 0, n, axis=rows), slice_in_dim(first, n, m, axis=rows)
    d11, d21 = slice_in_dim(d_first, 0, n, axis=rows), slice_in_dim(d_first, n, m, axis=rows)
    factors, _, order = lu(mT(sub(q11, eye(q.dtype, q11.shape))))
    z = permute_rows(mT(q21), order)
    z = triangular_solve(factors, z, left_side=True, lower=True, unit_diagonal=True)
    z = mT(triangular_solve(factors, z, left_side=True))
    turned = add(first, matmul(last, z))
    return sub(matmul(d_first, mH(z)), matmul(turned, mH(sub(d21, matmul(z, d11)))))


def _from_compact(x, *, pivoting, full_matrices, use_magma):
    m, n = x.shape[-2:]
    order = []
    if pivoting:
        none_first = constant(0, (*x.shape[:-2], n), _INT32)
        r, p, taus = geqp3(x, none_first, use_magma=use_magma)
        order = [sub(p, np.int32(1))]
    else:
        r, taus = geqrf(x)
    if full_matrices or m < n:
        q = householder_product(_padded_to_square(r), taus)
    else:
        q = householder_product(r, taus)
        r = slice_in_dim(r, 0, n, axis=x.ndim - 2)
    return [q, triu(r), *order]


def _of_nothing(x, *, pivoting, full_matrices, use_magma):
    """The decomposition of matrices without elements: q is a part of the unit matrix."""
    *batch, m, n = x.shape
    k = m if full_matrices else min(m, n)
    order = [constant(0, (*batch, n), _INT32)] if pivoting else []
    return [eye(x.dtype, (*batch, m, k)), constant(0, (*batch, k, n), x.dtype), *order]


geqrf_p = register(Geqrf())
geqp3_p = register(Geqp3())
householder_product_p = register(HouseholderProduct())
ormqr_p = register(Ormqr())
qr_p = register(QR())


# --- the functions ------------------------------------------------------------------------------

def qr(x, *, pivoting=False, full_matrices=True, use_magma=None):
    """Factor matrices into a unitary and an upper triangular one.

    Parameters
    ----------
    x : array, shape (..., m, n)
    pivoting : whether to permute columns, such that the absolute values on the diagonal of r descend; on CPUs and GPUs
    full_matrices : whether q is square; otherwise it has k = min(m, n) columns, and r as many rows
    use_magma : for pivoting on GPUs: whether to use the library MAGMA, and not LAPACK on the host; None: as
        the option ``jax_use_magma`` says

    Returns
    -------
    (q, r) of shapes (..., m, k) and (..., k, n), with k = m for full matrices; and with ``pivoting`` p of shape (..., n)
        ``x = q @ r``, or ``x[:, p] = q @ r``

    Raises
    ------
    TypeError : if the dtype is not floating or complex, or there are fewer than two dimensions.
    """
    return tuple(qr_p.bind(operand("qr", x), pivoting=bool(pivoting), full_matrices=bool(full_matrices), use_magma=use_magma))


def geqrf(a):
    """The compact form of a QR decomposition: a matrix with r and the reflections' vectors, and ``taus``."""
    return tuple(geqrf_p.bind(operand("geqrf", a)))


def geqp3(a, jpvt, *, use_magma=None):
    """The compact form of a QR decomposition with permuted columns: as of `geqrf`, with the permutation in second place.

    Parameters
    ----------
    a : array, shape (..., m, n)
    jpvt : array of int32, shape (..., n): columns with a number other than 0 are put first
    use_magma : as of `qr`

    Returns
    -------
    (a, jpvt, taus); jpvt counts from 1
    """
    return tuple(geqp3_p.bind(operand("geqp3", a, 0), operand("geqp3", jpvt, 1), use_magma=use_magma))


def householder_product(a, taus):
    """The first n columns of the product of reflections ``I - taus[i] v_i v_i^H``.

    Parameters
    ----------
    a : array, shape (..., m, n) with m >= n; below its diagonal, column i holds v_i, which has a one on the diagonal and
        zeros above
    taus : array of the same dtype, shape (..., k) with k <= n

    Returns
    -------
    array, shape (..., m, n)

    Raises
    ------
    TypeError : if dtypes are not floating or complex, or differ, or the numbers of batch dimensions differ.
    ValueError : if m < n, or k > n.
    """
    return householder_product_p.bind(operand("householder_product", a, 0), operand("householder_product", taus, 1))[0]


def ormqr(a, taus, c, *, left=True, transpose=False):
    """Multiply by the q of a QR decomposition in compact form.

    Parameters
    ----------
    a, taus : arrays of shapes (..., m, n) and (..., k): the compact form, as of `householder_product`; q is m x m
    c : array of the same dtype, shape (..., m, j), or (..., j, m) if not ``left``
    left : whether to answer ``q @ c``, and not ``c @ q``
    transpose : whether to multiply by ``q^H`` instead of q

    Returns
    -------
    array of the shape of ``c``

    Raises
    ------
    TypeError : if dtypes are not floating or complex, or differ, or the numbers of batch dimensions differ.
    ValueError : if the shapes do not fit.
    """
    a, taus, c = [operand("ormqr", x, i) for i, x in enumerate((a, taus, c))]
    return ormqr_p.bind(a, taus, c, left=bool(left), transpose=bool(transpose))[0]
