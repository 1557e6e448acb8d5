"""From an optimizer of one array to one of a pytree of arrays.

An optimizer is three functions: ``init(params)`` makes a state, ``update(step, gradient, state)`` the next one, and
``get_params(state)`` takes the parameters out of it. Written for one array, whose state may be any pytree, `optimizer` lifts
them to a pytree of arrays. The state of that is a tree of trees; it is kept as one flat list of leaves for each parameter,
with the structures beside them, so that a step need not go through the structure of the parameters again and again.
"""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

from ferax._src.types.pytree_registry import register_pytree_node
from ferax._src.types.pytrees import tree_flatten, tree_unflatten
from ferax._src.util.lists import safe_map, safe_zip, unzip2

#: The state of a pytree of parameters: ``packed_state`` has a list of leaves for each parameter, ``subtree_defs`` the
#: structures of these, ``tree_def`` that of the parameters. A pytree itself, whose leaves are those of ``packed_state``.
OptimizerState = namedtuple("OptimizerState", ["packed_state", "tree_def", "subtree_defs"])

register_pytree_node(OptimizerState,
                     lambda state: ((state.packed_state,), (state.tree_def, state.subtree_defs)),
                     lambda structure, children: OptimizerState(children[0], *structure))

Array = Any
Params = Any                                    # a pytree of arrays
State = Any                                     # what an optimizer knows of one array
Updates = Params                                # gradients, shaped like the parameters
Step = int
InitFn = Callable[[Params], OptimizerState]
UpdateFn = Callable[[Step, Updates, OptimizerState], OptimizerState]
ParamsFn = Callable[[OptimizerState], Params]
Schedule = Callable[[Step], float]


class Optimizer(NamedTuple):
    """The three functions of an optimizer.

    Attributes
    ----------
    init_fn : ``params -> state``, the state before the first step
    update_fn : ``step, gradients, state -> state``, one step; ``step`` counts from 0
    params_fn : ``state -> params``
    """

    init_fn: InitFn
    update_fn: UpdateFn
    params_fn: ParamsFn


def _packed(tree_def, states) -> OptimizerState:
    leaves, structures = unzip2(tree_flatten(state) for state in states)
    return OptimizerState(tuple(leaves), tree_def, tuple(structures))


def _unpacked(state: OptimizerState) -> list:
    return safe_map(tree_unflatten, state.subtree_defs, state.packed_state)


def optimizer(opt_maker: Callable[..., tuple]) -> Callable[..., Optimizer]:
    """Decorate the maker of an optimizer of one array: it then makes one of any pytree of arrays.

    Parameters
    ----------
    opt_maker : function that answers ``(init, update, get_params)``, with ``init(array) -> state``,
        ``update(step, gradient, state) -> state`` and ``get_params(state) -> array``; the state may be any pytree

    Returns
    -------
    function of the same arguments that answers an `Optimizer`. Its ``update_fn`` raises TypeError if the gradients have
    another structure than the parameters, or if the new state of an array has another structure than the old one.
    """
    @functools.wraps(opt_maker)
    def make(*args, **kwargs):
        init, update, get_params = opt_maker(*args, **kwargs)

        @functools.wraps(init)
        def init_tree(params):
            leaves, tree_def = tree_flatten(params)
            return _packed(tree_def, [init(x) for x in leaves])

        @functools.wraps(update)
        def update_tree(i, grads, state):
            state = OptimizerState(*state)
            gradients, structure = tree_flatten(grads)
            if structure != state.tree_def:
                raise TypeError("the gradients given to an optimizer must have the structure of its parameters: these are "
                                f"{state.tree_def}, the gradients {structure}")
            new = _packed(structure, [update(i, g, old) for g, old in safe_zip(gradients, _unpacked(state))])
            for before, after in safe_zip(state.subtree_defs, new.subtree_defs):
                if before != after:
                    raise TypeError("an optimizer's update function must keep the structure of the state: it was given "
                                    f"{before} and answered {after}")
            return new

        @functools.wraps(get_params)
        def params_of_tree(state):
            state = OptimizerState(*state)
            return tree_unflatten(state.tree_def, [get_params(one) for one in _unpacked(state)])

        return Optimizer(init_tree, update_tree, params_of_tree)
    return make


# --- states as plain pytrees --------------------------------------------------------------------

class JoinPoint:
    """Where one pytree hangs in another as a leaf: ``subtree`` is the inner one."""

    def __init__(self, subtree):
        self.subtree = subtree

    def __iter__(self):
        """The inner pytree, alone: what walks through containers finds it."""
        yield self.subtree


def unpack_optimizer_state(opt_state):
    """The state of an optimizer as a pytree shaped like the parameters, for instance to be saved.

    Parameters
    ----------
    opt_state : OptimizerState

    Returns
    -------
    pytree of `JoinPoint`, each with the state of one parameter. `pack_optimizer_state` is the inverse.
    """
    state = OptimizerState(*opt_state)
    return tree_unflatten(state.tree_def, [JoinPoint(one) for one in _unpacked(state)])


def pack_optimizer_state(marked_pytree):
    """The state of an optimizer from the pytree that `unpack_optimizer_state` answered.

    Parameters
    ----------
    marked_pytree : pytree of `JoinPoint`

    Returns
    -------
    OptimizerState

    Raises
    ------
    AssertionError : for leaves that are no `JoinPoint`.
    """
    points, tree_def = tree_flatten(marked_pytree)
    for point in points:
        if not isinstance(point, JoinPoint):
            raise AssertionError(f"pack_optimizer_state: the leaves must be of type JoinPoint, got {type(point).__name__}")
    return _packed(tree_def, [point.subtree for point in points])
