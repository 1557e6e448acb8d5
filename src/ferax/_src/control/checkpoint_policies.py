"""Policies for `checkpoint`: which results of the forward pass to keep for the backward pass.

A policy is a function ``(primitive, *avals, **params)`` of one operation that answers true to keep its results. The
names here are those of ``ferax.checkpoint_policies``.
"""

from __future__ import annotations

from dataclasses import dataclass


class Saveable:
    """An answer of a policy: keep the results."""

    def __bool__(self) -> bool:
        return True


class Recompute:
    """An answer of a policy: compute the results again."""

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True)
class Offloadable:
    """An answer of a policy: keep the results, in the memory ``dst``.

    The compiler decides where values lie; here the results are kept like others.
    """

    src: str
    dst: str


_DOTS = frozenset(("dot_general", "conv_general_dilated", "ragged_dot_general", "ragged_dot", "scaled_dot"))


def everything_saveable(*_, **__) -> bool:
    """Keep all results, as without `checkpoint`."""
    return True


def nothing_saveable(*_, **__) -> bool:
    """Keep nothing but the arguments: the default."""
    return False


def dots_saveable(prim, *_, **__) -> bool:
    """Keep the results of matrix products and convolutions."""
    return prim.name in _DOTS


def dots_with_no_batch_dims_saveable(prim, *_, **params) -> bool:
    """Keep the results of matrix products without batch dimensions: those of weights with activations."""
    if prim.name != "dot_general":
        return False
    (_, _), (lhs_batch, rhs_batch) = params["dimension_numbers"]
    return not lhs_batch and not rhs_batch


checkpoint_dots = dots_saveable
checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable


def offload_dot_with_no_batch_dims(offload_src, offload_dst):
    """`dots_with_no_batch_dims_saveable`, kept in the memory ``offload_dst``."""
    def policy(prim, *avals, **params):
        return dots_with_no_batch_dims_saveable(prim, *avals, **params) and Offloadable(offload_src, offload_dst)
    return policy


def _name_of(prim, params):
    return params["name"] if prim.name == "name" else None


def save_anything_except_these_names(*names_not_to_save):
    """Keep all results but those given one of these names with `checkpoint_name`."""
    names = frozenset(names_not_to_save)

    def policy(prim, *_, **params):
        return _name_of(prim, params) not in names
    return policy


def save_any_names_but_these(*names_not_to_save):
    """Keep the results named with `checkpoint_name`, but those of these names."""
    names = frozenset(names_not_to_save)

    def policy(prim, *_, **params):
        return prim.name == "name" and params["name"] not in names
    return policy


def save_only_these_names(*names_which_can_be_saved):
    """Keep only the results given one of these names with `checkpoint_name`."""
    names = frozenset(names_which_can_be_saved)

    def policy(prim, *_, **params):
        return _name_of(prim, params) in names
    return policy


def save_from_both_policies(policy_1, policy_2):
    """Keep what either policy keeps."""
    def policy(prim, *avals, **params):
        return policy_1(prim, *avals, **params) or policy_2(prim, *avals, **params)
    return policy


def save_and_offload_only_these_names(*, names_which_can_be_saved, names_which_can_be_offloaded, offload_src, offload_dst):
    """Keep the results of the first names, and in the memory ``offload_dst`` those of the second."""
    saved, offloaded = frozenset(names_which_can_be_saved), frozenset(names_which_can_be_offloaded)
    if saved & offloaded:
        raise ValueError("The names should be exclusive and should not intersect in `names_which_can_be_saved` and "
                         f"`names_which_can_be_offloaded`, but both have {sorted(saved & offloaded)}")

    def policy(prim, *_, **params):
        name = _name_of(prim, params)
        if name in offloaded:
            return Offloadable(offload_src, offload_dst)
        return name in saved
    return policy
