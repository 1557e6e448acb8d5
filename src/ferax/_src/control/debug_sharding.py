"""``debug.inspect_array_sharding`` and pictures of shardings.

How a value inside a program over several devices is cut is known when the compiler has partitioned the program. A call
named ``InspectSharding`` stands in the program for it; the partitioner takes it out and tells the function that it names.
"""

from __future__ import annotations

import sys

from ferax._src.control.callback import debug_effect
from ferax._src.engine import custom_calls
from ferax._src.engine.sharding import DeviceList
from ferax._src.ops.convert import as_array
from ferax._src.runtime.devices import default_sharding, devices
from ferax._src.tracing.core import Primitive, register
from ferax._src.types.meshes import Mesh
from ferax._src.types.pytrees import tree_leaves
from ferax._src.types.shardings import GSPMDSharding, SingleDeviceSharding, named_from_hlo
from ferax._src.util.tracebacks import api_boundary


class InspectSharding(Primitive):
    """Call ``callback(sharding)`` as soon as it is known how the operand is cut: at once, or when the program is compiled."""

    name = "inspect_sharding"
    has_effects = True
    handles_extended_dtypes = True

    def abstract_eval(self, x, *, callback):
        return []

    def effects_of(self, x, *, callback):
        return frozenset([debug_effect])

    def evaluate(self, args, params):
        params["callback"](as_array(args[0]).sharding)
        return []

    def lower(self, ctx, x, *, callback):
        state = ctx.state
        if state.num_partitions == 1:
            callback(_only_place(state))
            return []
        tell = _Teller(callback, ctx.avals_in[0].ndim, _devices(state), state.meshes)
        key = custom_calls.inspect_sharding_key(tell)
        state.keep_alive.append(tell)
        state.process_bound = True              # the key is an address of this process
        ctx.custom_call("InspectSharding", [x], [x.type], key, has_side_effect=True, api_version=1)
        return []

    def jvp(self, primals, tangents, *, callback):
        return self.bind(*primals, callback=callback), []

    def batch(self, axis, args, dims, *, callback):
        return self.bind(*args, callback=callback), []


inspect_sharding_p = register(InspectSharding())


def _devices(state) -> list:
    here = {d.id: d for d in devices(state.gpu_kind if state.platform == "gpu" else state.platform)}
    return [here[i] for i in state.device_ids]


def _only_place(state):
    """The place of a program on one device."""
    if state.device_ids is None:                # lowered for a platform, not yet for a device
        return default_sharding()
    return SingleDeviceSharding(_devices(state)[0])


class _Teller:
    """What the partitioner calls: from its own terms to a sharding over a mesh of the program, if one can say it.

    ``meshes`` has the program's meshes as keys; those of its arguments are not there yet when an operation is lowered.
    """

    def __init__(self, callback, ndim: int, places: list, meshes: dict):
        self.callback = callback
        self.ndim = ndim
        self.places = places
        self.meshes = meshes

    def __call__(self, hlo) -> None:
        for mesh in self.meshes:
            named = named_from_hlo(mesh, hlo, self.ndim) if isinstance(mesh, Mesh) else None
            if named is not None:
                self.callback(named)
                return
        self.callback(GSPMDSharding(DeviceList(tuple(self.places)), hlo))


@api_boundary
def inspect_array_sharding(value, *, callback) -> None:
    """Call a function with the shardings of arrays, also of those inside a program that is being compiled.

    Parameters
    ----------
    value : pytree of arrays
    callback : function of a `Sharding`, called once for each array: at once outside of programs, when a program is lowered if it
        runs on one device, and when it is compiled if it runs on several. Programs that are compiled already do not call it
    """
    if not callable(callback):
        raise TypeError(f"inspect_array_sharding: callback must be a function of a sharding, got {type(callback).__name__}")
    for x in tree_leaves(value):
        inspect_sharding_p.bind(as_array(x), callback=callback)


# --- pictures -----------------------------------------------------------------------------------

#: Colours of boxes, red, green and blue, where none are asked for: five hues in four shades.
_PALETTE = [tuple(int(c * shade) for c in hue) for hue in ((96, 100, 214), (150, 190, 80), (222, 170, 80), (214, 97, 107),
                                                           (200, 110, 190)) for shade in (.6, .75, .9, 1.)]


def visualize_sharding(shape, sharding, *, use_color=True, scale=1., min_width=9, max_width=80, color_map=None) -> None:
    """Print a picture of how an array is cut: a box for each part, with the devices that hold it.

    Parameters
    ----------
    shape : shape of the array, of one or two dimensions
    sharding : Sharding
    use_color : bool; fill the boxes with colours where the output is a terminal
    scale : number, to make the picture larger
    min_width, max_width : int, of a box, in characters
    color_map : function from a number between 0 and 1 to red, green, blue (from 0 to 1) such as a map of matplotlib's, or None

    Raises
    ------
    ValueError : for another number of dimensions.
    """
    shape = tuple(shape)
    if len(shape) not in (1, 2):
        raise ValueError(f"visualize_sharding draws arrays of one or two dimensions, got the shape {shape}")
    holders: dict[tuple[int, int], list[int]] = {}
    places = sharding.devices_indices_map(shape)
    part = sharding.shard_shape(shape)
    for device, index in places.items():
        corner = [0 if not size else (i.start or 0) // size for i, size in zip(index, part)]
        holders.setdefault((0, *corner)[-2:], []).append(device.id)     # type: ignore[arg-type]
    kind = next(iter(places)).platform.upper()
    rows, columns = (1 + max(corner[i] for corner in holders) for i in (0, 1))
    width, height = _box(shape, part, scale, min_width, max_width)
    labels = [[f"{kind} {','.join(map(str, sorted(holders[i, j])))}" for j in range(columns)] for i in range(rows)]
    width = max(width, 2 + max(len(label) for row in labels for label in row))
    if use_color and sys.stdout.isatty():
        print(_filled(labels, width, height, color_map), end="\n\n")
    else:
        print(_framed(labels, width, height), end="\n\n")


def _box(shape, part, scale, min_width: int, max_width: int) -> tuple[int, int]:
    """Width and height of the box of one part, in characters, which are 2.5 times as high as they are wide."""
    whole = int(10 * scale)
    across = int(whole * (shape[1] if len(shape) == 2 else 1) / max(shape[0], 1))
    fraction = part[-1] / max(shape[-1], 1)
    width = min(max(int(fraction * across * 2.5), min_width), max_width)
    height = int(part[0] / max(shape[0], 1) * whole) if len(shape) == 2 else 1
    return width, max(height - 1, 1)


def _lines(label: str, width: int, height: int) -> list[str]:
    """The label in the middle of a box."""
    above = (height - 1) // 2
    return [label.center(width) if i == above else " " * width for i in range(height)]


def _framed(labels, width: int, height: int) -> str:
    columns = len(labels[0])
    top, between, bottom = (left + middle.join(["─" * width] * columns) + right
                            for left, middle, right in ("┌┬┐", "├┼┤", "└┴┘"))
    rows = ["\n".join("│" + "│".join(line) + "│" for line in zip(*(_lines(label, width, height) for label in row)))
            for row in labels]
    return "\n".join([top, f"\n{between}\n".join(rows), bottom])


def _filled(labels, width: int, height: int, color_map) -> str:
    rows, columns = len(labels), len(labels[0])

    def painted(text: str, i: int) -> str:
        if color_map is None:
            color = _PALETTE[i % len(_PALETTE)]
        else:
            color = tuple(int(255 * c) for c in color_map(i / (rows * columns))[:3])
        bright = color[0] * .299 + color[1] * .587 + color[2] * .114 > 140
        ink = "0;0;0" if bright else "255;255;255"
        return f"\x1b[38;2;{ink};48;2;{';'.join(map(str, color))}m{text}\x1b[0m"

    pictures = []
    for r, row in enumerate(labels):
        boxes = [[painted(line, r * columns + c) for line in _lines(label, width, height + 2)] for c, label in enumerate(row)]
        pictures += ["".join(line) for line in zip(*boxes)]
    return "\n".join(pictures)


def visualize_array_sharding(arr, **kwargs) -> None:
    """`visualize_sharding` of an array of one or two dimensions, also of one inside a program.

    Parameters
    ----------
    arr : array
    **kwargs : of `visualize_sharding`
    """
    inspect_array_sharding(arr, callback=lambda sharding: visualize_sharding(arr.shape, sharding, **kwargs))
