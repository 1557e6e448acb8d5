"""Solutions of linear systems, and what is made of them: inverses, powers of matrices, least squares."""

from __future__ import annotations

import math
import operator

from ferax._src.control.stop_gradient import stop_gradient
from ferax._src.numpy import products
from ferax._src.numpy.manipulation import moveaxis, reshape
from ferax._src.numpy.reductions import sum as total
from ferax._src.numpy.util import broadcast_to, check_arraylike, ensure_arraylike, operand, promote_dtypes_inexact
from ferax._src.ops.broadcasting import broadcast_shapes, expand_dims, reduce_sum
from ferax._src.ops.compare import ge, gt
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import abs as absolute, div, mul, sub
from ferax._src.ops.elementwise_bits import bitwise_and
from ferax._src.ops.linalg_lu import lu
from ferax._src.ops.linalg_matrices import eye, mH
from ferax._src.ops.linalg_solve import lu_solve
from ferax._src.ops.linalg_svd import svd
from ferax._src.ops.precision import Precision
from ferax._src.ops.select import select
from ferax._src.ops.shape import squeeze
from ferax._src.ops.slicing import slice_in_dim
from ferax._src.ops.static import as_static_ints, normalize_axis
from ferax._src.ops.zeros import full
from ferax._src.runtime.fused import fused
from ferax._src.tracing.core import Tracer
from ferax._src.types import dtypes
from ferax._src.util import errors


def check_square(name: str, shape) -> int:
    """The size of square matrices in the last two dimensions.

    Raises
    ------
    ValueError : if they are not square, or there are fewer dimensions.
    """
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"Argument to {name} must have shape [..., n, n], got {tuple(shape)}.")
    return shape[-1]


def _matmul(x, y):
    return products.matmul(x, y, precision=Precision.HIGHEST)


def solve_matrices(a, b):
    """``x`` with ``a @ x = b``, for b of at least two dimensions; batch dimensions broadcast."""
    factors, _, order = lu(stop_gradient(a))
    if a.ndim == 2 and b.ndim > 2:              # one matrix for all: they are as many more columns of b
        columns = moveaxis(b, -2, 0)
        x = lu_solve(a, factors, order, reshape(columns, (columns.shape[0], math.prod(columns.shape[1:]))))
        return moveaxis(reshape(x, columns.shape), 0, -2)
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    n = a.shape[-1]
    a, factors = [broadcast_to(x, (*batch, n, n)) for x in (a, factors)]
    return lu_solve(a, factors, broadcast_to(order, (*batch, n)), broadcast_to(b, (*batch, n, b.shape[-1])))


def solve(a, b):
    """Solve linear systems ``a @ x = b``.

    Parameters
    ----------
    a : array-like, shape (..., n, n)
    b : array-like, shape (n,) or (..., n, k): a vector only if it has one dimension, as in NumPy 2; batch dimensions broadcast

    Returns
    -------
    array, shape (..., n) or (..., n, k), of the inexact dtype that ``a`` and ``b`` promote to
        A singular ``a`` gives inf or nan; NumPy raises, which a compiled program cannot.

    Raises
    ------
    ValueError : if ``a`` is not square, the sizes n differ, or batch dimensions do not broadcast.

    References
    ----------
    ``numpy.linalg.solve``. LU with partial pivoting: Golub and Van Loan, section 3.4.

    Examples
    --------
    >>> jnp.linalg.solve(jnp.array([[2., 0.], [1., 4.]]), jnp.array([2., 9.]))
    Array([1., 2.], dtype=float32)
    """
    a, b = ensure_arraylike("jnp.linalg.solve", a, b)
    if a.ndim < 2:
        raise ValueError(f"left hand array must be at least two dimensional; got a.shape={a.shape}")
    n = check_square("solve", a.shape)
    if b.ndim == 0:
        raise ValueError(f"solve: b must have at least one dimension, got b.shape={b.shape}")
    if b.shape[-2 if b.ndim > 1 else 0] != n:
        hint = ""
        if b.ndim > 1 and b.shape == a.shape[:-1]:
            hint = ". It is not taken for a batch of vectors, as before NumPy 2.0; use solve(a, b[..., None])[..., 0] for that"
        raise ValueError(f"solve: matrices of shape {a.shape} and right sides of shape {b.shape} do not fit: b must have {n} "
                         f"{'rows' if b.ndim > 1 else 'elements'}{hint}")
    try:
        broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(f"solve: the batch dimensions of shapes {a.shape} and {b.shape} do not broadcast") from None
    return _solve(a, b)


@fused
def _solve(a, b):
    a, b = promote_dtypes_inexact(a, b)
    if b.ndim == 1:
        return squeeze(solve_matrices(a, expand_dims(b, (1,))), (a.ndim - 1,))
    return solve_matrices(a, b)


def inv(a):
    """The inverses of matrices.

    Parameters
    ----------
    a : array-like, shape (..., n, n)

    Returns
    -------
    array, shape (..., n, n); inf or nan where ``a`` is singular

    Raises
    ------
    ValueError : if ``a`` is not square.

    References
    ----------
    ``numpy.linalg.inv``. To solve equations, `solve` takes fewer operations and loses fewer digits.

    Examples
    --------
    >>> jnp.linalg.inv(jnp.array([[2., 0.], [0., 4.]]))
    Array([[0.5 , 0.  ],
           [0.  , 0.25]], dtype=float32)
    """
    a = ensure_arraylike("jnp.linalg.inv", a)
    check_square("inv", a.shape)
    return _inv(a)


@fused
def _inv(a):
    (a,) = promote_dtypes_inexact(a)
    return solve_matrices(a, eye(a.dtype, a.shape))


def matrix_power(a, n):
    """Powers of matrices, by repeated squaring.

    Parameters
    ----------
    a : array-like, shape (..., m, m)
    n : int; a negative one is a power of the inverse

    Returns
    -------
    array, shape (..., m, m)

    Raises
    ------
    TypeError : if ``a`` is not square, or ``n`` is not an integer.

    References
    ----------
    ``numpy.linalg.matrix_power``

    Examples
    --------
    >>> jnp.linalg.matrix_power(jnp.array([[1, 1], [1, 0]]), 10)
    Array([[89, 55],
           [55, 34]], dtype=int32)
    """
    a = ensure_arraylike("jnp.linalg.matrix_power", a)
    if a.ndim < 2:
        raise TypeError(f"{a.ndim}-dimensional array given. Array must be at least two-dimensional")
    if a.shape[-1] != a.shape[-2]:
        raise TypeError(f"Last 2 dimensions of the array must be square; got shape {a.shape}")
    if isinstance(n, Tracer):
        raise errors.TracerIntegerConversionError(n)
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"exponent must be an integer, got {n}") from None
    return _matrix_power(inv(a) if n < 0 else a, n=abs(n))


@fused(static=("n",))
def _matrix_power(a, *, n):
    if n == 0:
        return eye(a.dtype, a.shape)
    if n == 3:                                              # the loop's a (a a) keeps XLA from fusing two products well
        return _matmul(_matmul(a, a), a)
    power = None
    while n:
        if n & 1:
            power = a if power is None else _matmul(power, a)
        n >>= 1
        if n:
            a = _matmul(a, a)
    return power


def tensorinv(a, ind=2):
    """The inverse of an array as a linear map from its last dimensions to the first ``ind`` ones.

    Parameters
    ----------
    a : array-like, whose first ``ind`` dimensions have as many elements as the others
    ind : positive int

    Returns
    -------
    array, of shape ``a.shape[ind:] + a.shape[:ind]``

    Raises
    ------
    ValueError : if ``ind`` is not positive, or the numbers of elements differ.

    References
    ----------
    ``numpy.linalg.tensorinv``

    Examples
    --------
    >>> jnp.linalg.tensorinv(2 * jnp.eye(6).reshape(2, 3, 6)).shape
    (6, 2, 3)
    """
    a = ensure_arraylike("tensorinv", a)
    ind = operator.index(ind)
    if ind <= 0:
        raise ValueError(f"ind must be a positive integer; got ind={ind}")
    first, rest = a.shape[:ind], a.shape[ind:]
    n = math.prod(first)
    if n != math.prod(rest):
        raise ValueError("tensorinv is only possible when the product of the first `ind` dimensions equals that of the remaining "
                         f"dimensions. got arr.shape={a.shape} with ind={ind}.")
    return reshape(inv(reshape(a, (n, n))), (*rest, *first))


def tensorsolve(a, b, axes=None):
    """Solve ``tensordot(a, x, x.ndim) = b``.

    Parameters
    ----------
    a : array-like
    b : array-like; after ``axes`` are moved, the shape of ``a`` starts with its shape, and the rest has as many elements
    axes : sequence of int, or None: dimensions of ``a`` to move to the end first

    Returns
    -------
    array, of the shape of ``a`` after the dimensions of ``b``

    Raises
    ------
    ValueError : if the shapes do not fit.

    References
    ----------
    ``numpy.linalg.tensorsolve``

    Examples
    --------
    >>> jnp.linalg.tensorsolve(2 * jnp.eye(4).reshape(2, 2, 4), jnp.ones((2, 2)))
    Array([0.5, 0.5, 0.5, 0.5], dtype=float32)
    """
    a, b = ensure_arraylike("tensorsolve", a, b)
    if axes is not None:
        moved = [normalize_axis(i, a.ndim, "axes") for i in as_static_ints(axes, "axes")]
        a = moveaxis(a, moved, tuple(range(a.ndim - len(moved), a.ndim)))
    if a.shape[:b.ndim] != b.shape:
        raise ValueError("After moving axes to end, leading shape of a must match shape of b. got "
                         f"a.shape={a.shape}, b.shape={b.shape}")
    rest = a.shape[b.ndim:]
    if b.size != math.prod(rest):
        raise ValueError("Input arrays must have prod(a.shape[:b.ndim]) == prod(a.shape[b.ndim:]); got "
                         f"a.shape={a.shape}, b.ndim={b.ndim}.")
    return reshape(solve(reshape(a, (b.size, b.size)), reshape(b, (b.size,))), rest)


# --- least squares ------------------------------------------------------------------------------

def lstsq(a, b, rcond=None, *, numpy_resid=False):
    """The x of least norm that makes ``norm(b - a @ x)`` least.

    Parameters
    ----------
    a : array-like, shape (m, n)
    b : array-like, shape (m,) or (m, k)
    rcond : number; singular values below ``rcond`` times the greatest one count as zero. None: the machine epsilon times
        max(m, n); negative: the machine epsilon
    numpy_resid : whether the residuals are empty where NumPy's are: if rank < n, or m <= n. They then have a shape that
        depends on values, which cannot be compiled.

    Returns
    -------
    (x, residuals, rank, s)
        x of shape (n,) or (n, k); the squared norms of the columns of ``b - a @ x``, shape (k,) or (1,); the number of singular
        values that count; the singular values, shape (min(m, n),)

    Raises
    ------
    ValueError : if the numbers of rows differ.
    TypeError : if there are more dimensions, or too few of ``a``.

    References
    ----------
    ``numpy.linalg.lstsq``. By the singular value decomposition: Golub and Van Loan, section 5.5.

    Examples
    --------
    >>> x, residuals, rank, s = jnp.linalg.lstsq(jnp.array([[1., 0.], [1., 1.], [1., 2.]]), jnp.array([1., 3., 5.]))
    >>> print(jnp.round(x, 3), rank)
    [1. 2.] 2
    """
    a, b = ensure_arraylike("jnp.linalg.lstsq", a, b)
    if a.ndim and b.ndim and a.shape[0] != b.shape[0]:
        raise ValueError(f"Leading dimensions of input arrays must match; got shapes {a.shape} and {b.shape}")
    if a.ndim != 2:
        raise TypeError(f"{a.ndim}-dimensional array given. Array must be two-dimensional")
    if b.ndim not in (1, 2):
        raise TypeError(f"{b.ndim}-dimensional array given. Array must be one or two-dimensional")
    if rcond is not None:
        check_arraylike("jnp.linalg.lstsq", rcond)
        rcond = operand(rcond)
    x, residuals, rank, s = _lstsq(a, b) if rcond is None else _lstsq(a, b, rcond)
    if numpy_resid:
        if isinstance(rank, Tracer):
            raise errors.ConcretizationTypeError(rank, "lstsq with numpy_resid=True: the rank decides the shape of the residuals")
        if int(rank) < a.shape[1] or a.shape[0] <= a.shape[1]:
            residuals = full((0,), 0, dtypes.default_float_dtype())
    return x, residuals, rank, s


@fused
def _lstsq(a, b, *rcond):
    a, b = promote_dtypes_inexact(a, b)
    columns = expand_dims(b, (1,)) if b.ndim == 1 else b
    m, n = a.shape
    real = dtypes.to_floating_dtype(a.dtype)
    if a.size == 0:
        s = full((0,), 0, a.dtype)
        rank = full((), 0, dtypes.default_int_dtype())
        x = full((n, columns.shape[1]), 0, a.dtype)
    else:
        eps = float(dtypes.finfo(real).eps)
        u, s, vh = svd(a, full_matrices=False)
        if rcond:
            (least,) = rcond
            least = convert(as_array(least), real)
            least = select(ge(least, real.type(0)), least, real.type(eps))
        else:
            least = real.type(eps * max(n, m))
        bound = mul(broadcast_to(slice_in_dim(s, 0, 1), s.shape), least)
        counts = bitwise_and(gt(s, real.type(0)), ge(s, bound))
        rank = total(counts)
        one = real.type(1)
        inverse = select(counts, div(one, select(counts, s, one)), real.type(0))
        inverse = broadcast_to(expand_dims(convert(inverse, a.dtype), (1,)), (s.shape[0], columns.shape[1]))
        x = _matmul(mH(vh), mul(inverse, _matmul(mH(u), columns)))
    rest = absolute(sub(columns, _matmul(a, x)))
    residuals = reduce_sum(mul(rest, rest), (0,))
    return squeeze(x, (1,)) if b.ndim == 1 else x, residuals, rank, s
