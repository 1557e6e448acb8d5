"""More cases of gathers, scatters, slices and sorts: all kinds of dimensions at once, windows of size 0, special values."""

import ml_dtypes
import numpy as np
from gather_reference import gathered, scattered, windowed_shape
from op_harness import Arg, Case, Refusal, bind

from ferax._src.api.autodiff import grad, jvp
from ferax._src.ops import elementwise
from ferax._src.ops.broadcasting import reduce_sum
from ferax._src.ops.indexing import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers
from ferax._src.ops.scatter import scatter_apply, scatter_mul

CASES: list[Case] = []
REFUSALS: list[Refusal] = []
CLIP, FILL = GatherScatterMode.CLIP, GatherScatterMode.FILL_OR_DROP


def case(name: str, *args: Arg, params=None, fn=None, **options) -> None:
    CASES.append(Case(name, fn or bind(name, **(params or {})), args, **options))


# --- gather and scatter -------------------------------------------------------------------------
# Of x[b, i:i+2, j, :] and x[i, j:j+2, b]: windows, hidden dimensions and some in step with the indices; the windows' own
# dimensions stand between the rows, and index vectors are not in the order of the dimensions.

MIXED = {
    "mixed": (GatherDimensionNumbers((0, 2), (2,), (2, 1), (0,), (1,)), (2, 4, 3, 2), (3, 2, 2), (1, 2, 1, 2)),
    "batch-last": (GatherDimensionNumbers((1,), (0,), (1, 0), (2,), (0,)), (3, 4, 2), (2, 2, 2), (1, 2, 1)),
    "no-width": (GatherDimensionNumbers((0,), (1,), (1,)), (3, 4), (2, 1), (0, 1)),
}
for label, (numbers, shape, rows, sizes) in MIXED.items():
    indices = Arg(rows, -1, 4, "int32")
    updates = Arg(windowed_shape(np.zeros(rows), numbers, sizes), distinct=True)
    for mode, name in ((FILL, "fill"), (CLIP, "clip")):
        if label == "no-width" and name == "clip":
            continue
        case("gather", Arg(shape), indices, label=f"{label}-{name}", diff=(0,), linear=True, second=False,
             oracle=lambda x, i, n=numbers, s=sizes, m=name: gathered(x, i, n, s, m, 3),
             params={"dimension_numbers": numbers, "slice_sizes": sizes, "unique_indices": False, "indices_are_sorted": False,
                     "mode": mode, "fill_value": 3 if mode is FILL else None})
    params = {"dimension_numbers": ScatterDimensionNumbers(*numbers), "indices_are_sorted": False, "unique_indices": False,
              "mode": FILL, "update_jaxpr": None, "update_consts": ()}
    case("scatter-add", Arg(shape), indices, updates, label=label, diff=(0, 2), linear=True, second=False, params=params,
         dtype="complex128" if label == "mixed" else "float64", mapped=(0, 1) if label == "mixed" else None,
         oracle=lambda x, i, u, n=numbers, s=sizes: scattered(np.add, x, i, u, n, s, "fill"))
    if label == "mixed":
        case("scatter-max", Arg(shape, distinct=True), indices, updates, label=label, diff=(0, 2), params=params, second=False,
             mapped=(1, 2), oracle=lambda x, i, u, n=numbers, s=sizes: scattered(np.maximum, x, i, u, n, s, "fill"))

ELEMENTS = ScatterDimensionNumbers((), (0,), (0,))
case("scatter", Arg((5,)), Arg(values=[[1], [3], [1]], shape=(3, 1), dtype="int32"), label="apply", mapped=(0,), kinds=("float32", "bfloat16"),
     fn=lambda x, i: scatter_apply(x, i, elementwise.sin, ELEMENTS, update_shape=(3,)),
     oracle=lambda x, i: np.array([x[0], np.sin(np.sin(x[1])), x[2], np.sin(x[3]), x[4]]))

X, I = np.arange(4, dtype=np.float32), np.array([[1], [1]], np.int32)       # noqa: E741
REFUSALS += [
    Refusal("scatter", "jvp", lambda: jvp(lambda x: scatter_apply(x, I, elementwise.sin, ELEMENTS, update_shape=(2,)), (X,), (X,)),
            NotImplementedError, "scatter_apply has no derivative"),
    Refusal("scatter-mul", "jvp", lambda: grad(lambda u: reduce_sum(scatter_mul(X, I, u, ELEMENTS), (0,)))(X[:2]),
            NotImplementedError, "unique_indices=True"),
]


# --- slices -------------------------------------------------------------------------------------

case("dynamic_update_slice", Arg(()), Arg(()), oracle=lambda x, u: u, diff=(0, 1), linear=True, label="scalar")
case("dynamic_update_slice", Arg((3,)), Arg((0,)), Arg((), -2, 5, "int32"), oracle=lambda x, u, i: x, diff=(0, 1), linear=True,
     label="nothing")


# --- sorting ------------------------------------------------------------------------------------

SPECIAL = [1.0, np.nan, -0.0, np.inf, 0.0, -np.nan, -np.inf, -1.0]
case("sort", Arg((8,), values=SPECIAL), Arg((8,), values=range(8), dtype="int32"), label="special", mapped=(),
     params={"dimension": 0, "is_stable": True, "num_keys": 1}, kinds=("bfloat16", "float16", "float32"),
     oracle=lambda x, i: [x[np.argsort(x, kind="stable")], np.argsort(x, kind="stable").astype(np.int32)])
case("sort", Arg((6,), values=[1j, 1, 0, 1 - 1j, 1 + 1j, -1]), Arg((6,), dtype="float64"), dtype="complex128", diff=(1,),
     label="complex-keys", params={"dimension": 0, "is_stable": True, "num_keys": 1}, mapped=(1,),
     oracle=lambda x, v: [x[np.argsort(x, kind="stable")], v[np.argsort(x, kind="stable")]])
case("top_k", Arg((6,), values=[0.0, -1.0, np.inf, 3.0, 3.0, -np.inf]), label="special", params={"k": 4, "axis": 0}, mapped=(),
     kinds=("bfloat16", "float32"), oracle=lambda x: [np.array([np.inf, 3, 3, 0]), np.array([2, 3, 4, 0], np.int32)])
case("sort", Arg((5,), values=np.array([-4, 3, 3, -1, 0], ml_dtypes.int4)), Arg((5,), values=range(5), dtype="int32"), dtype="int32",
     label="narrow", params={"dimension": 0, "is_stable": True, "num_keys": 1}, mapped=(0,),
     oracle=lambda x, i: [np.sort(x), np.argsort(x, kind="stable").astype(np.int32)])
