"""cov and corrcoef: how variables vary together."""

from __future__ import annotations

import numpy as np

from ferax._src.numpy.fusing import fused_optional
from ferax._src.numpy.joining import concatenate
from ferax._src.numpy.manipulation import squeeze
from ferax._src.numpy.matrices import diagonal
from ferax._src.numpy.products import dot
from ferax._src.numpy.util import cast, const, ensure_arraylike, promote_dtypes_inexact
from ferax._src.ops.broadcasting import broadcast_in_dim, reduce_sum, transpose
from ferax._src.ops.convert import as_array, convert
from ferax._src.ops.elementwise import div, max as maximum, min as minimum, mul, sqrt, sub
from ferax._src.ops.elementwise_complex import complex, conj, imag, real
from ferax._src.ops.zeros import full
from ferax._src.types import dtypes


@fused_optional(static=("rowvar", "ddof", "dtype"))
def _cov(x, y, fweights, aweights, *, rowvar, ddof, dtype):
    rows = []
    for a in (x,) if y is None else (x, y):
        a = convert(a, dtype)
        if a.ndim < 2:
            a = broadcast_in_dim(a, (1, a.size), (1,) if a.ndim else ())
        elif not rowvar:
            a = transpose(a, (1, 0))
        rows.append(a)
    x = rows[0] if len(rows) == 1 else concatenate(rows, axis=0)
    if x.shape[0] == 0:
        return full((0, 0), 0, dtype)
    n = x.shape[1]
    if n == 0:
        return squeeze(full((x.shape[0],) * 2, np.nan, dtype))
    weights = fweights
    if aweights is not None:
        weights = aweights if fweights is None else mul(*map(as_array, promote_dtypes_inexact(fweights, aweights)))
    if weights is None:
        total = full((), n, dtypes.to_floating_dtype(dtype))
        mean = div(reduce_sum(x, (1,)), cast(n, dtype))
        norm = sub(total, cast(ddof, total.dtype))
        weighted = None
    else:
        weights = convert(weights, dtype)
        total = reduce_sum(weights, (0,))
        weighted = broadcast_in_dim(weights, x.shape, (1,))
        mean = div(reduce_sum(mul(x, weighted), (1,)), total)
        # The degrees of freedom lost; with reliability weights a, ddof sum(w a) / sum(w), as in numpy.cov.
        lost = cast(ddof, dtype)
        if aweights is not None and ddof:
            lost = div(mul(lost, reduce_sum(mul(weights, convert(aweights, dtype)), (0,))), total)
        norm = sub(total, lost)
    # The detour over a column keeps XLA from subtracting again for each block of the product.
    x = sub(x, broadcast_in_dim(broadcast_in_dim(mean, (x.shape[0], 1), (0,)), x.shape, (0, 1)))
    other = x if weighted is None else mul(x, weighted)
    product = dot(x, conj(transpose(other, (1, 0))) if dtypes.kind_of(dtype) == "c" else transpose(other, (1, 0)))
    out = div(product, convert(norm, dtype))
    return squeeze(out)


def _variables(name: str, m, y, rowvar, dtype):
    arrays = ensure_arraylike(name, m, *([] if y is None else [y]))
    arrays = arrays if y is not None else [arrays]
    for a, argument in zip(arrays, "my"):
        if a.ndim > 2:
            raise ValueError(f"{argument} has more than 2 dimensions: its shape is {a.shape}")
    if dtype is not None:
        dtype = dtypes.check_user_dtype(dtype, name)
        if dtypes.kind_of(dtype) not in "fc":
            raise ValueError(f"{name}: dtype must be a subclass of float or complex; got {dtypes.dtype_name(dtype)}")
    else:
        dtype = as_array(promote_dtypes_inexact(*arrays)[0]).dtype
    if y is not None:
        sizes = [a.size if a.ndim < 2 else a.shape[1 if rowvar else 0] for a in arrays]
        if sizes[0] != sizes[1]:
            raise TypeError(f"{name}: m and y must have the same number of observations, got {sizes[0]} and {sizes[1]}, of shapes "
                            f"{arrays[0].shape} and {arrays[1].shape}")
    return arrays, dtype


def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, dtype=None):
    """The covariance matrix of variables.

    Parameters
    ----------
    m : array of one or two dimensions: rows are variables and columns observations
    y : more variables, in the same form
    rowvar : bool; False if columns are variables
    bias : bool, whether to divide by the number of observations n instead of n - 1, where ``ddof`` is None
    ddof : number known while tracing, to divide by ``n - ddof``
    fweights : array of integers, shape (n,): how often each observation occurs
    aweights : array of real numbers, shape (n,): the weight of each observation
    dtype : inexact dtype of the result

    Returns
    -------
    array of shape (v, v) for v variables, a scalar for one

    Raises
    ------
    ValueError : if ``m`` or ``y`` has more than two dimensions.
    TypeError : if ``fweights`` are not integers.
    RuntimeError : if weights have a wrong shape.

    References
    ----------
    ``numpy.cov``

    Examples
    --------
    >>> jnp.cov(jnp.array([[0., 2., 4.], [3., 2., 1.]]))
    Array([[ 4., -2.],
    [-2.,  1.]], dtype=float32)
    """
    (m, *rest), dtype = _variables("cov", m, y, rowvar, dtype)
    n = m.size if m.ndim < 2 else m.shape[1 if rowvar else 0]
    weights = []
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is not None:
            w = ensure_arraylike("cov", w)
            if name == "fweights" and dtypes.kind_of(w.dtype) not in "iu":
                raise TypeError(f"fweights must be integer, got {dtypes.dtype_name(w.dtype)}")
            if w.ndim != 1:
                raise RuntimeError(f"cannot handle multidimensional {name}: got shape {w.shape}")
            if w.shape[0] != n:
                raise RuntimeError(f"incompatible numbers of samples and {name}: {n} and {w.shape[0]}")
        weights.append(w)
    ddof = int(not bias) if ddof is None else int(ddof) if ddof == int(ddof) else float(ddof)
    return _cov(m, *(rest or [None]), *weights, rowvar=bool(rowvar), ddof=ddof, dtype=dtype)


@fused_optional
def _normalized(c):
    if c.ndim == 0:
        return div(c, c)
    d = real(diagonal(c)) if dtypes.kind_of(c.dtype) == "c" else diagonal(c)
    deviation = sqrt(d)

    def scaled(part):
        part = div(part, broadcast_in_dim(deviation, part.shape, (0,)))
        return div(part, broadcast_in_dim(deviation, part.shape, (1,)))

    def within(part):
        return maximum(minimum(part, const(part, 1)), const(part, -1))
    if dtypes.kind_of(c.dtype) == "c":
        return complex(within(scaled(real(c))), within(scaled(imag(c))))
    return within(scaled(c))


def corrcoef(x, y=None, rowvar=True, dtype=None):
    """The correlation coefficients of variables, between -1 and 1.

    Parameters
    ----------
    x, y, rowvar, dtype : as of `cov`

    Returns
    -------
    array of shape (v, v) for v variables, a scalar for one

    References
    ----------
    ``numpy.corrcoef``

    Examples
    --------
    >>> jnp.corrcoef(jnp.array([0., 2., 4.]), jnp.array([3., 2., 1.]))
    Array([[ 1., -1.],
    [-1.,  1.]], dtype=float32)
    """
    return _normalized(cov(x, y, rowvar, dtype=dtype))
