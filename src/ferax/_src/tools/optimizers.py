"""Gradient methods. Each is the rule of one array; `optimizer` makes it one of a pytree of arrays.

In the formulas x is the parameter, g its gradient, a the step size (a number or a schedule, see `make_schedule`), i the number
of the step from 0; the other letters are what the state keeps beside x, zeros at first.
"""

from __future__ import annotations

import functools

from ferax._src.numpy.arithmetic import absolute, square
from ferax._src.numpy.creation import asarray
from ferax._src.numpy.fills import zeros, zeros_like
from ferax._src.numpy.manipulation import atleast_1d, expand_dims
from ferax._src.numpy.powers import sqrt
from ferax._src.numpy.products import vdot
from ferax._src.numpy.selection import where
from ferax._src.numpy.ufuncs import maximum, minimum
from ferax._src.tools.optimizer_trees import Optimizer, optimizer
from ferax._src.tools.schedules import make_schedule
from ferax._src.types.pytrees import tree_leaves, tree_map


def _accumulating(count: int, update) -> Optimizer:
    """The optimizer whose state is the parameter and ``count`` arrays like it, zeros at first."""
    def init(x0):
        return (x0, *(zeros_like(x0) for _ in range(count)))

    def get_params(state):
        return state[0]
    return Optimizer(init, update, get_params)


def _inverse_root(x):
    """``1 / sqrt(x)``, 0 where x is 0: a weight without a gradient yet does not move."""
    return where(x > 0, 1. / sqrt(x), 0.)


def _bias(decay, i, dtype):
    """``1 - decay ** (i + 1)``: by how much a running mean that began at zero falls short of the mean."""
    return 1 - asarray(decay, dtype) ** (i + 1)


@optimizer
def sgd(step_size):
    """Gradient descent: ``x - a g``.

    Parameters
    ----------
    step_size : positive number, or a schedule: a function from the number of the step to one
    """
    rate = make_schedule(step_size)

    def init(x0):
        return x0

    def update(i, g, x):
        return x - rate(i) * g

    def get_params(x):
        return x
    return Optimizer(init, update, get_params)


@optimizer
def momentum(step_size, mass):
    """Gradient descent with momentum: ``v <- mass v + g``, ``x <- x - a v``.

    Parameters
    ----------
    step_size : positive number or schedule
    mass : number, how much of the velocity v is kept
    """
    rate = make_schedule(step_size)

    def update(i, g, state):
        x, v = state
        v = mass * v + g
        return x - rate(i) * v, v
    return _accumulating(1, update)


@optimizer
def nesterov(step_size, mass):
    """Gradient descent with Nesterov's momentum: ``v <- mass v + g``, ``x <- x - a (mass v + g)``.

    Parameters
    ----------
    step_size : positive number or schedule
    mass : number, how much of the velocity v is kept
    """
    rate = make_schedule(step_size)

    def update(i, g, state):
        x, v = state
        v = mass * v + g
        return x - rate(i) * (mass * v + g), v
    return _accumulating(1, update)


@optimizer
def adagrad(step_size, momentum=0.9):
    """Adagrad, with momentum: ``s <- s + g^2``, ``m <- (1 - momentum) g / sqrt(s) + momentum m``, ``x <- x - a m``.

    Parameters
    ----------
    step_size : positive number or schedule
    momentum : number

    Notes
    -----
    Duchi, Hazan, Singer: Adaptive subgradient methods for online learning and stochastic optimization. JMLR 12 (2011).
    """
    rate = make_schedule(step_size)

    def update(i, g, state):
        x, s, m = state
        s = s + square(g)
        m = (1. - momentum) * (g * _inverse_root(s)) + momentum * m
        return x - rate(i) * m, s, m
    return _accumulating(2, update)


@optimizer
def rmsprop(step_size, gamma=0.9, eps=1e-8):
    """RMSProp: ``s <- gamma s + (1 - gamma) g^2``, ``x <- x - a g / sqrt(s + eps)``.

    Parameters
    ----------
    step_size : positive number or schedule
    gamma : number, how much of the mean square s is kept
    eps : number
    """
    rate = make_schedule(step_size)

    def update(i, g, state):
        x, s = state
        s = s * gamma + square(g) * (1. - gamma)
        return x - rate(i) * g / sqrt(s + eps), s
    return _accumulating(1, update)


@optimizer
def rmsprop_momentum(step_size, gamma=0.9, eps=1e-8, momentum=0.9):
    """RMSProp with momentum: ``s`` as in `rmsprop`, ``m <- momentum m + a g / sqrt(s + eps)``, ``x <- x - m``.

    Parameters
    ----------
    step_size : positive number or schedule
    gamma : number, how much of the mean square s is kept
    eps : number
    momentum : number
    """
    rate = make_schedule(step_size)

    def update(i, g, state):
        x, s, m = state
        s = s * gamma + square(g) * (1. - gamma)
        m = momentum * m + rate(i) * g / sqrt(s + eps)
        return x - m, s, m
    return _accumulating(2, update)


@optimizer
def adam(step_size, b1=0.9, b2=0.999, eps=1e-8):
    """Adam: ``x - a m' / (sqrt(v') + eps)`` with running means m of g and v of g^2.

    ``m <- (1 - b1) g + b1 m`` and ``v <- (1 - b2) g^2 + b2 v`` begin at zero; ``m' = m / (1 - b1^(i+1))`` and v' likewise make
    up for that.

    Parameters
    ----------
    step_size : positive number or schedule
    b1, b2 : number, how much of the means is kept
    eps : number

    Notes
    -----
    Kingma, Ba: Adam: a method for stochastic optimization. ICLR 2015.
    """
    rate = make_schedule(step_size)

    def update(i, g, state):
        x, m, v = state
        m = (1 - b1) * g + b1 * m
        v = (1 - b2) * square(g) + b2 * v
        mean, mean_square = m / _bias(b1, i, m.dtype), v / _bias(b2, i, m.dtype)
        return x - rate(i) * mean / (sqrt(mean_square) + eps), m, v
    return _accumulating(2, update)


@optimizer
def adamax(step_size, b1=0.9, b2=0.999, eps=1e-8):
    """AdaMax: Adam with a decaying maximum, ``u <- max(b2 u, |g|)``, in place of the root of the mean square.

    ``x <- x - a / (1 - b1^(i+1)) m / (u + eps)``, with m as in `adam`.

    Parameters
    ----------
    step_size : positive number or schedule
    b1, b2 : number, how much of the mean and of the maximum is kept
    eps : number

    Notes
    -----
    Kingma, Ba: Adam: a method for stochastic optimization. ICLR 2015, section 7.1.
    """
    rate = make_schedule(step_size)

    def update(i, g, state):
        x, m, u = state
        m = (1 - b1) * g + b1 * m
        u = maximum(b2 * u, absolute(g))
        return x - rate(i) / _bias(b1, i, m.dtype) * m / (u + eps), m, u
    return _accumulating(2, update)


@optimizer
def sm3(step_size, momentum=0.9):
    """SM3, Adagrad in little memory: one vector of sums of squares for each dimension, rather than an array like x.

    ``s`` is, at each element, the least of the sums kept for its row, its column and so on, plus g^2; the sum kept for a row
    is then the largest s in it. x and m move as in `adagrad`.

    Parameters
    ----------
    step_size : positive number or schedule
    momentum : number

    Notes
    -----
    Anil, Gupta, Koren, Singer: Memory-efficient adaptive optimization for large-scale learning. arXiv:1901.11150.
    """
    rate = make_schedule(step_size)

    def others(ndim, axis):
        return tuple(i for i in range(ndim) if i != axis)

    def init(x0):
        x = atleast_1d(x0)
        return x, zeros_like(x), [zeros(size, dtype=x.dtype) for size in x.shape], x0.shape

    def update(i, g, state):
        x, m, sums, shape = state
        along = [expand_dims(v, others(g.ndim, axis)) for axis, v in enumerate(sums)]
        s = functools.reduce(minimum, along) + square(g)
        m = (1. - momentum) * (g * _inverse_root(s)) + momentum * m
        return x - rate(i) * m, m, [s.max(others(x.ndim, axis)) for axis in range(x.ndim)], shape

    def get_params(state):
        x, _, _, shape = state
        return x.reshape(x.shape[:len(shape)])              # the sizes themselves may be tracers, under jit
    return Optimizer(init, update, get_params)


# --- gradients ----------------------------------------------------------------------------------

def l2_norm(tree):
    """The square root of the sum of the squares of all elements of a pytree of arrays."""
    return sqrt(sum(vdot(x, x) for x in tree_leaves(tree)))


def clip_grads(grad_tree, max_norm):
    """Gradients scaled down so that their `l2_norm`, over all of them, is at most ``max_norm``.

    Parameters
    ----------
    grad_tree : pytree of arrays
    max_norm : positive number

    Returns
    -------
    pytree of arrays; the same ones where the norm is smaller already
    """
    norm = l2_norm(grad_tree)
    return tree_map(lambda g: where(norm < max_norm, g, g * (max_norm / norm)), grad_tree)
