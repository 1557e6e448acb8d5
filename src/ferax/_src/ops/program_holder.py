"""The primitives that run one program which they hold: what such a call answers and does is what the program does."""

from __future__ import annotations

from ferax._src.tracing.core import Primitive


class ProgramHolder(Primitive):
    """A primitive that holds jaxprs, one of which it runs.

    program : the parameter that holds that one; its results have the types of the primitive's, and its effects are the
        primitive's. A primitive that runs several has rules of its own
    """

    program = "jaxpr"
    holds_jaxprs = True
    has_effects = True
    types_varying = True
    handles_extended_dtypes = True

    def abstract_eval(self, *avals, **params):
        return params[self.program].out_avals

    def effects_of(self, *avals, **params):
        return params[self.program].effects
