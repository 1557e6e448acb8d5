"""``ferax.custom_derivatives``: functions with derivative rules of their own."""

from ferax._src.control.custom_common import SymbolicZero
from ferax._src.control.custom_gradient import closure_convert, custom_gradient
from ferax._src.control.custom_jvp import custom_jvp, custom_jvp_call_p
from ferax._src.control.custom_vjp import (
    CustomVJPPrimal,
    custom_vjp,
    custom_vjp_call_p,
    custom_vjp_primal_tree_values,
    zero_from_primal,
)
from ferax._src.control.linear_call import linear_call
from ferax._src.control.remat_opt import remat_opt_p

__all__ = [
    "CustomVJPPrimal",
    "SymbolicZero",
    "closure_convert",
    "custom_gradient",
    "custom_jvp",
    "custom_jvp_call_p",
    "custom_vjp",
    "custom_vjp_call_p",
    "custom_vjp_primal_tree_values",
    "linear_call",
    "remat_opt_p",
    "zero_from_primal",
]
