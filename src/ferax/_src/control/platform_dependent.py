"""``lax.platform_dependent``: other code on other platforms, chosen when the program is lowered."""

from __future__ import annotations

import numpy as np

from ferax._src.control.cond import Cond, branch_on
from ferax._src.tracing.core import register
from ferax._src.util.tracebacks import api_boundary


class PlatformDependent(Cond):
    """``branches[i]`` where ``platforms[i]`` is the platform lowered for; the last one, of platform None, elsewhere.

    The index operand is there for the rules of `cond`, and ignored.
    """

    name = "platform_dependent"

    def lower(self, ctx, index, *values, branches, platforms):
        here = ctx.gpu_kind if ctx.platform == "gpu" else ctx.platform
        for branch, platform in zip(branches, platforms):
            if platform in (here, None):
                return ctx.inline(branch, *values)
        raise NotImplementedError(f"platform_dependent code for the platform {here!r} is missing: there is some for "
                                  f"{', '.join(platforms)}, and no default")


platform_dependent_p = register(PlatformDependent())


@api_boundary
def platform_dependent(*args, default=None, **per_platform):
    """Call the function that is meant for the platform the program runs on.

    Parameters
    ----------
    *args : pytrees of arrays, given to the function
    default : callable for platforms not named, or None
    **per_platform : callables by platform: ``cpu=``, ``cuda=``, ``rocm=``, ``tpu=``, or that of a plugin; results of equal types

    Returns
    -------
    the result of the function that runs
    """
    if "gpu" in per_platform:
        raise ValueError("platform_dependent: 'gpu' may be either; use 'cuda' or 'rocm'.")
    branches = dict(per_platform)
    if default is not None:
        branches[None] = default
    if not branches:
        raise ValueError("platform_dependent: give a function for a platform, or a default")
    if len(branches) == 1 and default is not None:
        return default(*args)
    platforms = tuple(branches)
    names = tuple([f"the code for {p}" if p else "the default" for p in platforms])
    return branch_on(np.int32(0), tuple(branches.values()), args, "platform_dependent", names,
                     primitive=platform_dependent_p, platforms=platforms)
