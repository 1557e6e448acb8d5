"""Cases for what runs on the devices of a mesh: `shard_map`, and what its types are made of."""

import numpy as np
from op_harness import Arg, Case, primitive

from ferax._src.api.jit import jit
from ferax._src.api.shard_map import shard_map
from ferax._src.control import collectives_api
from ferax._src.control.remat import checkpoint
from ferax._src.control.checkpoint_policies import everything_saveable
from ferax._src.ops.broadcasting import reduce_sum
from ferax._src.ops.elementwise import mul, sin
from ferax._src.runtime.devices import devices
from ferax._src.types.meshes import Mesh
from ferax._src.types.shardings import PartitionSpec

CASES: list[Case] = []
KNOWN = ("partial_eval", "dce")                 # reached where a program is differentiated by some of its inputs


def case(name: str, fn, *args: Arg, **options) -> None:
    CASES.append(Case(name, fn, args, **options))


def on_mesh(f, in_specs, out_specs, **options):
    mesh = Mesh(np.array(devices()[:2]), ("x",))
    return shard_map(f, mesh=mesh, in_specs=in_specs, out_specs=out_specs, **options)


CUT, WHOLE = PartitionSpec("x"), PartitionSpec()


def body(x, y):
    """A result of the parts, and one that all devices share, by way of a scalar."""
    total = collectives_api.psum(sin(reduce_sum(mul(x, x), (0, 1))), "x")
    return [mul(sin(x), y), mul(total, y)]


def body_in_numpy(x, y):
    total = np.sin(np.sum(x[:2] ** 2)) + np.sin(np.sum(x[2:] ** 2))
    return [np.sin(x) * np.tile(y, (2, 1)), total * y]


X, Y = Arg((4, 3)), Arg((2, 3))
for check in (True, False):
    mapped = on_mesh(body, (CUT, WHOLE), [CUT, WHOLE], check_vma=check)
    label = "" if check else "unchecked"
    few = {} if check else {"mapped": (0,), "second": False}
    case("shard_map", mapped, X, Y, oracle=body_in_numpy, diff=(0, 1), linear=True, label=label, **few)
    one = jit(lambda *xs, mapped=mapped: mapped(*xs)[:1])
    case("shard_map", one, X, Y, oracle=lambda *xs: body_in_numpy(*xs)[:1], diff=(0,), linear=True, label=f"{label}nested", reaches=KNOWN,
         mapped=(0,), second=False)
saved = checkpoint(on_mesh(body, (CUT, WHOLE), [CUT, WHOLE]), policy=everything_saveable)
case("shard_map", jit(saved), X, Y, oracle=body_in_numpy, diff=(0,), hidden=True, label="checkpoint", reaches=("rematerialize",),
     mapped=(), second=False)

summed = on_mesh(lambda x: [collectives_api.psum(x, "x")], (CUT,), [WHOLE])
case("psum_invariant", summed, X, oracle=lambda x: x[:2] + x[2:], diff=(0,), linear=True, hidden=True,
     reaches=("jvp", "batch"), second=False)
spread = on_mesh(lambda y: [primitive("pvary").bind(y, axes=("x",))[0]], (WHOLE,), [CUT])
case("pvary", spread, Y, oracle=lambda y: np.tile(y, (2, 1)), diff=(0,), linear=True, hidden=True,
     reaches=("jvp", "batch"), second=False)
