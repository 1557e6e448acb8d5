"""Bessel functions. Formulas are from the NIST *Digital Library of Mathematical Functions* (DLMF)."""

from __future__ import annotations

from ferax._src.ops.elementwise import abs as absolute, exp
from ferax._src.ops.elementwise_special import bessel_i0e, bessel_i1e
from ferax._src.scipy.elementwise import elementwise


@elementwise(complexes=True)
def i0e(x):
    """Modified Bessel function of the first kind and order 0, times ``exp(-abs(x))``.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 10.25. ``scipy.special.i0e``

    Examples
    --------
    >>> print(jnp.round(i0e(1.0), 4))
    0.4658
    """
    return bessel_i0e(x)


@elementwise(complexes=True)
def i1e(x):
    """Modified Bessel function of the first kind and order 1, times ``exp(-abs(x))``.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 10.25. ``scipy.special.i1e``

    Examples
    --------
    >>> print(jnp.round(i1e(1.0), 4))
    0.2079
    """
    return bessel_i1e(x)


@elementwise(complexes=True)
def i0(x):
    """Modified Bessel function of the first kind and order 0.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 10.25. ``scipy.special.i0``

    Examples
    --------
    >>> print(jnp.round(i0(1.0), 4))
    1.2661
    """
    return exp(absolute(x)) * bessel_i0e(x)


@elementwise(complexes=True)
def i1(x):
    """Modified Bessel function of the first kind and order 1.

    Parameters
    ----------
    x : array-like of real numbers

    Returns
    -------
    Array of floats

    References
    ----------
    DLMF 10.25. ``scipy.special.i1``

    Examples
    --------
    >>> print(jnp.round(i1(1.0), 4))
    0.5652
    """
    return exp(absolute(x)) * bessel_i1e(x)
