"""``fwd_and_bwd``: the two passes of reverse mode as two functions, each compiled once."""

from __future__ import annotations

from ferax._src.api.arguments import as_index_tuple, check_callable, name_of, resolve_indices
from ferax._src.api.autodiff import vjp
from ferax._src.api.jit import jit
from ferax._src.util.tracebacks import api_boundary


@api_boundary
def fwd_and_bwd(fun, argnums, has_aux=False, jitted=True):
    """The forward and the backward pass of a function, as functions of their own.

    Parameters
    ----------
    fun : callable of positional arguments
    argnums : int or sequence of int, which of them to differentiate by
    has_aux : bool; ``fun`` answers ``(result, aux)``
    jitted : bool, whether both are compiled. The backward pass is compiled once only if the forward pass is, too

    Returns
    -------
    fwd : function ``*args -> (result, residuals)``, or ``(result, residuals, aux)`` with ``has_aux``
    bwd : function ``(residuals, cotangents) -> gradients``, an array for an int and a tuple for a sequence of ``argnums``

    Raises
    ------
    TypeError : if ``fun`` cannot be called, or ``argnums`` are no integers.

    Examples
    --------
    >>> fwd, bwd = ferax.fwd_and_bwd(lambda x, y: x * y, argnums=0)
    >>> y, residuals = fwd(2., 3.)
    >>> bwd(residuals, 1.)
    Array(3., dtype=float32, weak_type=True)
    """
    check_callable(fun, "fwd_and_bwd")
    places = as_index_tuple(argnums, "argnums", "fwd_and_bwd")
    single = not isinstance(argnums, (tuple, list))

    def fwd(*args):
        chosen = resolve_indices(places, len(args), "argnums", "fwd_and_bwd")

        def of_chosen(*values):
            given = list(args)
            for i, value in zip(chosen, values):
                given[i] = value
            return fun(*given)
        return vjp(of_chosen, *[args[i] for i in chosen], has_aux=has_aux)

    def bwd(residuals, cotangents):
        gradients = residuals(cotangents)
        return gradients[0] if single else gradients

    for function, name in ((fwd, f"{name_of(fun)}_fwd"), (bwd, f"{name_of(fun)}_bwd")):
        function.__name__ = function.__qualname__ = name
    return (jit(fwd), jit(bwd)) if jitted else (fwd, bwd)
