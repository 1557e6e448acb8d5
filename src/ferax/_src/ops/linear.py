"""Operations that are linear in their one operand.

Their derivative is the operation itself, applied to the tangent, so it is written once, here.
"""

from __future__ import annotations

from ferax._src.tracing.core import Primitive, Zero


class Linear(Primitive):
    """A primitive of one operand and any number of results, linear: the jvp applies it to the tangent."""

    def jvp(self, primals, tangents, **params):
        outs = self.bind(*primals, **params)
        (tangent,) = tangents
        if type(tangent) is Zero:
            return outs, [Zero.of(out) for out in outs]
        return outs, self.bind(tangent, **params)
